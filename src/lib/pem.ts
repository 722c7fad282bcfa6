export type PemLabel = 'CERTIFICATE' | 'X509 CRL' | 'PKCS7' | 'PRIVATE KEY'

/** The blocks of that label in a text, such as CERTIFICATE, in their order; each with its lines of beginning and end. */
export function blocksOf(text: string, label: PemLabel): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, 'g')) ?? []
}

export function pemOf(der: Uint8Array, label: PemLabel): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----`
}

/** What a block of `blocksOf` holds. */
export function derOf(block: string): Buffer {
  return Buffer.from(block.replace(/-----[^-]*-----/g, ''), 'base64')
}
