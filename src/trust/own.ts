import type { Config } from '../config/config.ts'
import type { MaterialKind, Rotatable } from './tables.ts'

const kinds: Record<Rotatable, MaterialKind[]> = {
  ca: ['server_ca', 'client_ca', 'client_certificate'],
  'client-certificate': ['client_certificate'],
  'heartbeat-key': ['heartbeat_key'],
}

/** By whose options an operator brings his own. */
const options = {
  server_ca: '[certificates] ca_certificate',
  client_ca: '[haproxy_amphora] client_cert',
  client_certificate: '[haproxy_amphora] client_cert',
  heartbeat_key: '[health_manager] heartbeat_key',
} as const satisfies Record<MaterialKind, string>

/** What the controllers make themselves, and so can exchange; the rest an operator has brought. */
export function isOwn({ certificates, haproxy_amphora, given }: Config, kind: MaterialKind): boolean {
  if (kind === 'server_ca') return certificates.ca_certificate === null
  if (kind === 'heartbeat_key') return !given.has('health_manager.heartbeat_key')
  return haproxy_amphora.client_cert === null
}

/** What a rotation exchanges. */
export function kindsOf(config: Config, what: Rotatable): MaterialKind[] {
  return kinds[what].filter((kind) => isOwn(config, kind))
}

/** The options by which an operator exchanges the rest himself. */
export function optionsOf(config: Config, what: Rotatable): string[] {
  return [...new Set(kinds[what].filter((kind) => !isOwn(config, kind)).map((kind) => options[kind]))]
}
