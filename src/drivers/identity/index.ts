import type { Config } from '../../config/config.ts'
import { checkLoginOptions } from '../openstack/login.ts'
import type { IdentityDriver } from './driver.ts'

export type IdentityDriverName = 'embedded' | 'keystone'

/** What only the process that starts can build: each is called when its driver is the chosen one. */
export interface IdentityBackends {
  embedded(): IdentityDriver
  keystone(): Promise<IdentityDriver>
}

/** By `identityDriverOf`. */
export const identityDrivers: Record<IdentityDriverName, (backends: IdentityBackends) => Promise<IdentityDriver>> = {
  embedded: async (backends) => backends.embedded(),
  keystone: (backends) => backends.keystone(),
}

/** `[identity] driver`; where it is not set, whoever has configured a Keystone means it. */
export function identityDriverOf({ identity, keystone_authtoken }: Config): IdentityDriverName {
  if (identity.driver !== null) return identity.driver
  return keystone_authtoken.auth_url !== null || keystone_authtoken.www_authenticate_uri !== null ? 'keystone' : 'embedded'
}

/** Where those are sent who come without a valid token. */
export function whereToAuthenticate(config: Config): string {
  const { www_authenticate_uri, auth_url } = config.keystone_authtoken
  if (identityDriverOf(config) === 'keystone') return www_authenticate_uri ?? auth_url ?? ''
  const { bind_host, bind_port } = config.identity
  return `http://${bind_host.includes(':') ? `[${bind_host}]` : bind_host}:${bind_port}/v3`
}

/** Throws ConfigError where Keystone is chosen and could not be asked. */
export function checkKeystoneOptions({ keystone_authtoken }: Config): void {
  checkLoginOptions('keystone_authtoken', keystone_authtoken, '[identity] driver = keystone')
}
