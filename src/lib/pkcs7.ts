/** The certificates of a PKCS#7 bundle (RFC 2315, `.p7b`), which is how some authorities hand out their chain. */
import type forge from 'node-forge'

const SIGNED_DATA = '1.2.840.113549.1.7.2'
const CONTEXT_SPECIFIC = 0x80
const CERTIFICATES = 0

/** DER, in the bundle's order. Throws when it is none. */
export async function certificatesOfPkcs7(bytes: Buffer): Promise<Buffer[]> {
  const { asn1 } = (await import('node-forge')).default
  const [type, explicit] = childrenOf(asn1.fromDer(bytes.toString('latin1')))
  if (typeof type?.value !== 'string' || asn1.derToOid(type.value) !== SIGNED_DATA) throw new Error('it is not signed data')
  const signedData = childrenOf(childrenOf(explicit)[0])
  const certificates = signedData.find(
    ({ tagClass, type }) => (tagClass as number) === CONTEXT_SPECIFIC && (type as number) === CERTIFICATES,
  )
  return childrenOf(certificates).map((node) => Buffer.from(asn1.toDer(node).getBytes(), 'latin1'))
}

function childrenOf(node: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  if (!Array.isArray(node?.value)) throw new Error('it is not PKCS#7')
  return node.value
}
