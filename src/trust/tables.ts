/** The rows of migration 0024. */

export type MaterialKind = 'server_ca' | 'client_ca' | 'client_certificate' | 'heartbeat_key'

/** What the controllers made themselves. At most one of each kind is in each state. */
export interface TrustMaterialRow {
  id: string
  kind: MaterialKind
  /** `trusted`: others may already use it; `active`: it is used; `retired`: it counts still, until nobody has it. */
  state: 'trusted' | 'active' | 'retired'
  /** PEM; null of a key. */
  certificate: string | null
  /** The private key, encrypted with `[certificates] server_certs_key_passphrase`. */
  sealed_key: string
  created_at_ms: number
}

export const rotatable = ['ca', 'client-certificate', 'heartbeat-key'] as const
export type Rotatable = (typeof rotatable)[number]

/** In this order. */
export const rotationStages = ['begin', 'spread', 'use', 'leave', 'drop'] as const
export type RotationStage = (typeof rotationStages)[number]

export interface RotationRow {
  id: string
  what: Rotatable
  /** 1 until it ends, then null: there is one at a time. */
  slot: 1 | null
  stage: RotationStage
  stage_since_ms: number
  started_at_ms: number
  ended_at_ms: number | null
}

/** What an amphora's agent was given: digests, as in `trust.ts`. */
export interface AmphoraAgentRow {
  amphora_id: string
  server_ca: string
  client_cas: string
  heartbeat_key: string
  /** False: it can be told of no other CAs of controllers, so a rotation needs another amphora in its place. */
  takes_client_cas: boolean
  /** How often in a row it could not be given something new, when that is tried again, and what the matter is. */
  failures: number
  retry_at_ms: number
  problem: string | null
}

export interface TrustTables {
  trust_material: TrustMaterialRow
  rotation: RotationRow
  amphora_agent: AmphoraAgentRow
}
