/** Connections that fail since one side does not take the other's certificate, or does not speak TLS: the next attempt would end as this one did. */

/** What OpenSSL says of a chain (`X509_V_ERR_*` as Node names them), and Node of a host's name. */
const OF_ITS_CERTIFICATE =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|HOSTNAME_MISMATCH|ERR_TLS_CERT_)/
/** The other's word on our own, an alert. */
const OF_OURS = /^ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA)/

/** To try again is pointless. */
export class Distrust extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'Distrust'
  }
}

/** The error of a connection, as Distrust where it is one. */
export function orDistrust(error: NodeJS.ErrnoException): Error {
  const { code = '', message } = error
  // Node goes on with advice that is not for those who run a program.
  if (OF_ITS_CERTIFICATE.test(code)) return new Distrust(`its certificate is not trusted: ${message.split(';', 1)[0]}`)
  if (OF_OURS.test(code)) return new Distrust('it does not take our certificate')
  return code === 'EPROTO' && /wrong version number/.test(message) ? new Distrust('it does not speak TLS') : error
}
