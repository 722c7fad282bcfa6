/** What an operator does not set is made at random at the first start and kept in the state. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { secretOf } from './state.ts'

/** Of the state directory: opens the embedded secret store. */
const STORE_KEY = 'secrets.key'

export function withSecrets(config: Config): Config {
  const { health_manager, certificates, stateDirectory } = config
  return {
    ...config,
    health_manager: { ...health_manager, heartbeat_key: health_manager.heartbeat_key ?? secretOf(stateDirectory, 'heartbeat.key') },
    certificates: {
      ...certificates,
      server_certs_key_passphrase:
        certificates.server_certs_key_passphrase.length > 0
          ? certificates.server_certs_key_passphrase
          : [secretOf(stateDirectory, 'server-certificates.key')],
      store_key: storeKeys(stateDirectory, certificates.store_key),
    },
  }
}

/** What was sealed before the operator set keys of his own still opens. */
function storeKeys(stateDirectory: string, chosen: string[]): string[] {
  const isMade = existsSync(join(stateDirectory, STORE_KEY))
  return [...chosen, ...(chosen.length === 0 || isMade ? [secretOf(stateDirectory, STORE_KEY)] : [])]
}
