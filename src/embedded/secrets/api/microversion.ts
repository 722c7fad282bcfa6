import type { FastifyRequest } from 'fastify'
import { HttpFault } from '../../http.ts'

/** Those of Barbican 15; 1.1 shows the consumers of secrets. */
export const microversions = ['1.0', '1.1']

/** What the client asks for: the oldest without a word of his. */
export function microversionOf(request: FastifyRequest): string {
  const asked = [request.headers['openstack-api-version'] ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((value) => value.trim().split(/\s+/))
    .find(([service]) => service === 'key-manager')?.[1]
  const version = asked === 'latest' ? microversions.at(-1)! : (asked ?? microversions[0]!)
  if (!microversions.includes(version)) throw new HttpFault(406, `Unacceptable version header: ${version}`)
  return version
}
