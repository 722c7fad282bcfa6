/**
 * What the providers understand of the profiles of flavors and availability zones, and how they refuse the rest (upstream:
 * `octavia/api/drivers/{amphora_driver,noop_driver}`, whose texts are jsonschema's).
 */
import { providerNotEnabled, providerNotFound, unsupportedOption } from '../../api/faults.ts'
import { pythonList, pythonRepr } from '../../api/python-text.ts'
import type { Config } from '../../config/config.ts'
import type { Topology } from '../../db/tables.ts'

type Property = { type: 'string' | 'boolean' | 'array'; enum?: readonly string[]; description: string }
type Properties = Readonly<Record<string, Property>>

interface Metadata {
  flavor: Properties
  availability_zone: Properties
  /** Takes data with any keys and values. */
  takesAnything: boolean
}

const topologies: readonly Topology[] = ['ACTIVE_STANDBY', 'SINGLE']

const amphora = {
  flavor: {
    loadbalancer_topology: {
      type: 'string',
      enum: topologies,
      description:
        'The load balancer topology. One of: SINGLE - One amphora per load balancer. ACTIVE_STANDBY - Two amphora per load balancer.',
    },
    compute_flavor: { type: 'string', description: 'The compute driver flavor ID.' },
    amp_image_tag: { type: 'string', description: 'The amphora image tag.' },
    sriov_vip: { type: 'boolean', description: 'When true, the VIP port will be created using an SR-IOV VF port.' },
    allow_member_sriov: {
      type: 'boolean',
      description: 'When true, users can request a member port be SR-IOV enabled at member creation time.',
    },
  },
  availability_zone: {
    compute_zone: { type: 'string', description: 'The compute availability zone.' },
    volume_zone: { type: 'string', description: 'The volume availability zone.' },
    management_network: { type: 'string', description: 'The management network ID for the amphora.' },
    valid_vip_networks: {
      type: 'array',
      description:
        'List of network IDs that are allowed for VIP use. This overrides/replaces the list of allowed networks configured in `octavia.conf`.',
    },
  },
  takesAnything: false,
} as const satisfies Metadata

const noop = {
  flavor: { amp_image_tag: { type: 'string', description: 'The glance image tag to use for this load balancer.' } },
  availability_zone: {
    compute_zone: { type: 'string', description: 'The compute availability zone to use for this loadbalancer.' },
    volume_zone: { type: 'string', description: 'The volume availability zone to use for this loadbalancer.' },
  },
  takesAnything: true,
} as const satisfies Metadata

const providers: Readonly<Record<string, Metadata>> = {
  amphora,
  amphorav2: amphora,
  octavia: amphora,
  noop_driver: noop,
  'noop_driver-alt': noop,
}

/** No name is upstream's first provider. */
export const providerNamed = (name: string | null): string => name || 'amphora'

/** Throws 400 for a provider that the configuration does not enable, 501 for one that this program does not have. */
export function metadataOf(provider: string, { api_settings }: Config): Metadata {
  if (!Object.hasOwn(api_settings.enabled_provider_drivers, provider)) throw providerNotEnabled(provider)
  if (!Object.hasOwn(providers, provider)) throw providerNotFound(provider)
  return providers[provider]!
}

type Kind = 'flavor' | 'availability_zone'

/** In: a profile's data, parsed. Throws 501 for what the provider does not understand; the first fault is the one jsonschema shows. */
export function checkMetadata(kind: Kind, provider: string, data: unknown, config: Config): void {
  const metadata = metadataOf(provider, config)
  if (metadata.takesAnything) return
  const fault = faultOf(metadata[kind], data)
  if (fault !== null) throw unsupportedOption(provider, fault)
}

function faultOf(properties: Properties, data: unknown): string | null {
  if (!isObject(data)) return `${pythonRepr(data)} is not of type 'object'`
  const unknown = Object.keys(data).filter((key) => !Object.hasOwn(properties, key))
  if (unknown.length > 0) {
    const names = unknown.sort().map((key) => pythonRepr(key))
    return `Additional properties are not allowed (${names.join(', ')} ${names.length === 1 ? 'was' : 'were'} unexpected)`
  }
  for (const [key, property] of Object.entries(properties)) {
    if (!Object.hasOwn(data, key)) continue
    const value = data[key]
    if (!isOfType(property, value)) return `${key} ${pythonRepr(value)} is not of type '${property.type}'`
    if (property.enum?.includes(value as string) === false) return `${key} ${pythonRepr(value)} is not one of ${pythonList(property.enum)}`
  }
  return null
}

function isObject(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data)
}

function isOfType({ type }: Property, value: unknown): boolean {
  return type === 'array' ? Array.isArray(value) : typeof value === type
}

type ValueOf<P> = P extends { type: 'boolean' }
  ? boolean
  : P extends { type: 'array' }
    ? unknown[]
    : P extends { enum: readonly (infer E)[] }
      ? E
      : string

type Understood<K extends Kind> = { -readonly [N in keyof (typeof amphora)[K]]?: ValueOf<(typeof amphora)[K][N]> }

/** What amphorae are made by: the known keys of a profile's data, each of its type. A no-op provider has taken others, which mean nothing. */
export function understood<K extends Kind>(kind: K, data: unknown): Understood<K> {
  if (!isObject(data)) return {}
  const properties: Properties = amphora[kind]
  const known = Object.entries(data).filter(([key, value]) => {
    if (!Object.hasOwn(properties, key)) return false
    const property = properties[key]!
    return isOfType(property, value) && property.enum?.includes(value as string) !== false
  })
  return Object.fromEntries(known) as Understood<K>
}
