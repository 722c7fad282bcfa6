/** The configuration of `ottavia serve`: the file, the embedded cloud's own defaults, the command line. */
import { readFileSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { type Config, type ConfigSource, loadConfig } from '../config/config.ts'
import type { Option } from '../config/option.ts'
import { options as knownOptions } from '../config/options.ts'

export interface ServeOptions {
  state?: string
  config?: string
  portBase?: string
  /** Comma-separated; default: all. */
  roles?: string
  /** `section.option=value`: what is different in this process from what the file says for all. */
  set?: string[]
  demo: boolean
}

/** What a process of `ottavia serve` can do. One at a time holds `embedded`: what the embedded cloud is made of on this machine. */
export const allRoles = ['api', 'worker', 'health-manager', 'housekeeping', 'embedded'] as const
export type Role = (typeof allRoles)[number]

/** Throws on a word that is no role. */
export function rolesOf({ roles }: Pick<ServeOptions, 'roles'>): ReadonlySet<Role> {
  if (roles === undefined) return new Set(allRoles)
  const words = roles.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !allRoles.some((role) => role === word))
  if (wrong !== undefined) throw new Error(`--roles: '${wrong}' should be one of ${allRoles.join(', ')}`)
  return new Set(words as Role[])
}

/** A path of the command line, as the caller's working directory understands it (npm changes it and says so). */
export const callersPath = (path: string) => (isAbsolute(path) ? path : resolve(process.env.INIT_CWD ?? process.cwd(), path))

/** Where amphorae are namespaces of this host, heartbeats cost next to nothing and failover below a second is possible. */
const embeddedDefaults: ConfigSource['defaults'] = {
  api_settings: { healthcheck_enabled: true },
  certificates: { renewal_check_interval: 10 },
  health_manager: { heartbeat_interval: 1, heartbeat_timeout: 10, health_check_interval: 1 },
  monitoring: { bind_port: 9877 },
  house_keeping: { spare_check_interval: 5, orphan_grace_seconds: 600 },
  keepalived_vrrp: { vrrp_advert_int: 0.1 },
}

/** The highest `--port-base` whose last service still has a port. */
const MAX_PORT_BASE = 65_528

export function readConfiguration(options: ServeOptions, stateDirectory: string, warn: (text: string) => void): Config {
  const source: ConfigSource = { stateDirectory, warn }
  if (options.config !== undefined) {
    const path = callersPath(options.config)
    source.file = { name: path, text: readFileSync(path, 'utf8') }
  }
  if (options.portBase !== undefined) source.overrides = portsFrom(options.portBase)
  for (const text of options.set ?? []) source.overrides = withSetting(source.overrides, text)
  const config = loadConfig(source)
  if (config.controller_worker.compute_driver !== 'compute_embedded_driver') return config
  return loadConfig({ ...source, warn: undefined, defaults: embeddedDefaults })
}

/** N load balancing, N+1 identity, N+2 network, N+3 secrets, N+4 console, N+5/udp heartbeats, N+6 compute, N+7 metrics. */
function portsFrom(portBase: string): ConfigSource['overrides'] {
  const base = Number(portBase)
  if (!Number.isInteger(base) || base < 1 || base > MAX_PORT_BASE)
    throw new Error(`--port-base: '${portBase}' should be a number from 1 to ${MAX_PORT_BASE}`)
  return {
    api_settings: { bind_port: base },
    identity: { bind_port: base + 1 },
    embedded: { network_bind_port: base + 2, secrets_bind_port: base + 3, compute_bind_port: base + 6 },
    health_manager: { bind_port: base + 5 },
    monitoring: { bind_port: base + 7 },
  }
}

/** Throws on what is no option or no value of it. */
function withSetting(overrides: ConfigSource['overrides'], text: string): ConfigSource['overrides'] {
  const [, section = '', name = '', value = ''] = /^(\w+)\.(\w+)=(.*)$/s.exec(text) ?? []
  const option = (knownOptions as Record<string, Record<string, Option<unknown>>>)[section]?.[name]
  if (option === undefined) throw new Error(`--set: '${text}' should be section.option=value`)
  const shown = option.secret ? 'the value' : `the value '${value}'`
  try {
    return { ...overrides, [section]: { ...overrides?.[section as keyof typeof overrides], [name]: option.parse(value) } }
  } catch (error) {
    throw new Error(`--set: [${section}] ${name}: ${shown} ${(error as Error).message}`)
  }
}
