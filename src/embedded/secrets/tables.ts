/** The rows of the embedded secret store (migration 0011). */

export type SecretType = 'symmetric' | 'public' | 'private' | 'passphrase' | 'certificate' | 'opaque'
export type ContentType = 'text/plain' | 'application/octet-stream' | 'application/pkcs8'
export type ContainerType = 'generic' | 'rsa' | 'certificate'

export interface SecretRow {
  id: string
  project_id: string
  /** The user who stored it. */
  creator_id: string
  name: string | null
  secret_type: SecretType
  algorithm: string | null
  bit_length: number | null
  mode: string | null
  /** From then on it is as if it were gone. */
  expires_at_ms: number | null
  /** Null until it has a payload. */
  content_type: ContentType | null
  /** Sealed (`payloads.ts`). */
  payload: string | null
  /** The user's own pairs. */
  metadata: Record<string, string>
  created_at_ms: number
  /** The last time that the payload or who may read it changed. */
  updated_at_ms: number
}

export interface ContainerRow {
  id: string
  project_id: string
  creator_id: string
  name: string | null
  type: ContainerType
  created_at_ms: number
  updated_at_ms: number
}

/** `name` says what the secret is in the container: `certificate`, `private_key`, ...; empty for none. */
export interface ContainerSecretRow {
  container_id: string
  secret_id: string
  name: string
}

/** Of a secret or container. Without a row its whole project may read it, and nobody else. */
export interface AclRow {
  object_id: string
  /** False: of the project only who made it, and its admins. */
  project_access: boolean
  created_at_ms: number
  updated_at_ms: number
}

/** Who may read it besides, whatever his project. */
export interface AclUserRow {
  object_id: string
  user_id: string
}

/** Who uses a secret (service, type and id of a resource) or a container (name and URL; no type). */
export interface ConsumerRow {
  object_id: string
  name: string
  resource_type: string
  resource: string
  project_id: string
  created_at_ms: number
}

export interface EmbeddedSecretsTables {
  embedded_secret: SecretRow
  embedded_secret_container: ContainerRow
  embedded_container_secret: ContainerSecretRow
  embedded_secret_acl: AclRow
  embedded_secret_acl_user: AclUserRow
  embedded_secret_consumer: ConsumerRow
}
