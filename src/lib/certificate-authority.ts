/** A private CA: signs certificates for agents or for controllers. */
export interface CertificateAuthority {
  /** The CA's own certificate, PEM. */
  readonly certificate: string
  /** Makes a key pair (EC P-256) and a certificate for it. `common_name` is also the DNS SAN. Returns PEM. */
  issue(wanted: {
    common_name: string
    usage: 'server' | 'client'
    validitySeconds: number
  }): Promise<{ certificate: string; key: string; notAfter: Date }>
}
