/**
 * The files of TLS material on an amphora, below `/var/lib/octavia/certs/<load balancer>/`. A file is named after the place it fills, not after
 * what is in it: a renewed certificate is the same file with other contents, which HAProxy takes by its runtime API.
 */
import type { ListenerTree, PoolTree } from '../resources/load-balancer/tree.ts'

const CERTIFICATES = '/var/lib/octavia/certs'

type OfListener = Pick<ListenerTree, 'id'>
type OfPool = Pick<PoolTree, 'id'>

/** The crt-list of a listener: the default certificate, then those that clients ask for by SNI. The name is upstream's. */
export const crtListOf = ({ id }: OfListener) => `${id}.pem`
export const defaultCertificateOf = ({ id }: OfListener) => `${id}.default.pem`
/** `secret_id` is the UUID at the end of the reference. */
export const sniCertificateOf = ({ id }: OfListener, secret_id: string) => `${id}.sni-${secret_id}.pem`
export const clientCaOf = ({ id }: OfListener) => `${id}.client-ca.pem`
export const clientCrlOf = ({ id }: OfListener) => `${id}.client-crl.pem`
/** What HAProxy shows to members of a pool with TLS, and by what it knows them. */
export const poolCertificateOf = ({ id }: OfPool) => `${id}.pool.pem`
export const poolCaOf = ({ id }: OfPool) => `${id}.pool-ca.pem`
export const poolCrlOf = ({ id }: OfPool) => `${id}.pool-crl.pem`

export function certificatePath(load_balancer_id: string, name: string): string {
  return `${CERTIFICATES}/${load_balancer_id}/${name}`
}
