/** The blocks of that label in a text, such as CERTIFICATE, in their order; each with its lines of beginning and end. */
export function blocksOf(text: string, label: 'CERTIFICATE' | 'X509 CRL'): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]*-----END ${label}-----`, 'g')) ?? []
}
