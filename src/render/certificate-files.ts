/**
 * The files of TLS material on an amphora, below `/var/lib/octavia/certs/<load balancer>/`. A file is named after the place it fills, not after
 * what is in it: a renewed certificate is the same file with other contents, which HAProxy takes by its runtime API.
 */
import { derivedId } from '../lib/derived-id.ts'
import type { ListenerTree, PoolTree } from '../resources/load-balancer/tree.ts'

const CERTIFICATES = '/var/lib/octavia/certs'

type OfListener = Pick<ListenerTree, 'id'>
type OfPool = Pick<PoolTree, 'id'>

/** By what a reference is known on an amphora: the UUID at its end, or one that stands for a reference without. */
export function secretIdOf(reference: string): string {
  return uuidAtEnd.exec(reference)?.[0].toLowerCase() ?? derivedId('secret', reference)
}

const uuidAtEnd = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The crt-list of a listener: the default certificate, then those that clients ask for by SNI. The name is upstream's. */
export const crtListOf = ({ id }: OfListener) => `${id}.pem`
export const defaultCertificateOf = ({ id }: OfListener) => `${id}.default.pem`
export const sniCertificateOf = ({ id }: OfListener, reference: string) => `${id}.sni-${secretIdOf(reference)}.pem`
export const clientCaOf = ({ id }: OfListener) => `${id}.client-ca.pem`
export const clientCrlOf = ({ id }: OfListener) => `${id}.client-crl.pem`
/** What HAProxy shows to members of a pool with TLS, and by what it knows them. */
export const poolCertificateOf = ({ id }: OfPool) => `${id}.pool.pem`
export const poolCaOf = ({ id }: OfPool) => `${id}.pool-ca.pem`
export const poolCrlOf = ({ id }: OfPool) => `${id}.pool-crl.pem`

export function certificatePath(load_balancer_id: string, name: string): string {
  return `${CERTIFICATES}/${load_balancer_id}/${name}`
}

/** The text of a crt-list: the first file is what clients get who ask for no name, or for one that no certificate has. In: names of files, each once. */
export function renderCrtList(load_balancer_id: string, names: string[]): string {
  return names.map((name) => `${certificatePath(load_balancer_id, name)}\n`).join('')
}
