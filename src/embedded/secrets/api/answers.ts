/** Rows as Barbican shows them. */
import { timestamp } from '../../../lib/clock.ts'
import type { Acl } from '../repository.ts'
import type { ConsumerRow, ContainerRow, ContainerSecretRow, SecretRow } from '../tables.ts'

export const secretRef = (base: string, id: string): string => `${base}/v1/secrets/${id}`
export const containerRef = (base: string, id: string): string => `${base}/v1/containers/${id}`

const common = ({ created_at_ms, updated_at_ms }: { created_at_ms: number; updated_at_ms: number }) => ({
  created: timestamp(created_at_ms),
  updated: timestamp(updated_at_ms),
  status: 'ACTIVE',
})

export function secretAnswer(row: SecretRow, base: string) {
  const { name, secret_type, expires_at_ms, algorithm, bit_length, mode, creator_id, content_type } = row
  return {
    ...common(row),
    name,
    secret_type,
    expiration: expires_at_ms === null ? null : timestamp(expires_at_ms),
    algorithm,
    bit_length,
    mode,
    creator_id,
    ...(content_type === null ? {} : { content_types: { default: content_type } }),
    secret_ref: secretRef(base, row.id),
  }
}

export const secretConsumer = ({ name, resource_type, resource }: ConsumerRow) => ({
  service: name,
  resource_type,
  resource_id: resource,
})

export const containerConsumer = ({ name, resource }: ConsumerRow) => ({ name, URL: resource })

export function containerAnswer(row: ContainerRow, secrets: ContainerSecretRow[], consumers: ConsumerRow[], base: string) {
  const { id, name, type, creator_id } = row
  return {
    ...common(row),
    name,
    type,
    creator_id,
    secret_refs: secrets.map((secret) => ({ secret_ref: secretRef(base, secret.secret_id), name: secret.name || null })),
    consumers: consumers.map(containerConsumer),
    container_ref: containerRef(base, id),
  }
}

/** Without a list of its own an object has this one. */
export function aclAnswer(acl: Acl | null): object {
  if (acl === null) return { read: { 'project-access': true } }
  const { status: _, ...times } = common(acl)
  return { read: { 'project-access': acl.project_access, users: acl.users, ...times } }
}
