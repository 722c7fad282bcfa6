/** What controllers have made themselves, as it lies in the database: for all of them, and encrypted. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Config } from '../config/config.ts'
import type { Db, Tx } from '../db/connection.ts'
import { createCertificateAuthority, loadCertificateAuthority } from '../lib/certificate-authority.ts'
import { SecretBox } from '../lib/secret-box.ts'
import type { MaterialKind, TrustMaterialRow } from './tables.ts'

const DAY_SECONDS = 86_400
const CA_VALIDITY_SECONDS = 3650 * DAY_SECONDS
const HEARTBEAT_KEY_BYTES = 32
const CLIENT_CERTIFICATE_VALIDITY_SECONDS = 3650 * DAY_SECONDS

/** Opened. `certificate` and `key` are PEM; of a heartbeat key there is only `key`. */
export interface Material extends Pick<TrustMaterialRow, 'id' | 'kind' | 'state' | 'created_at_ms'> {
  certificate: string | null
  key: string
}

export interface Secret {
  certificate: string | null
  key: string
}

/** What is used first, then what others may use, then what some still use. */
const STATES: TrustMaterialRow['state'][] = ['active', 'trusted', 'retired']

export const boxOf = ({ certificates }: Pick<Config, 'certificates'>) =>
  new SecretBox('[certificates] server_certs_key_passphrase', certificates.server_certs_key_passphrase)

/** Changes whenever something is added, used otherwise or dropped. */
export async function versionOfMaterials(db: Db): Promise<string> {
  const rows = await db.selectFrom('trust_material').select(['id', 'state']).orderBy('id').execute()
  return rows.map(({ id, state }) => `${id} ${state}`).join('\n')
}

/** Throws where none of the passphrases opens one. */
export async function listMaterials(db: Db, box: SecretBox): Promise<Material[]> {
  const rows = await db.selectFrom('trust_material').selectAll().execute()
  return rows
    .toSorted((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state))
    .map(({ sealed_key, ...row }) => ({ ...row, key: box.open(sealed_key, row.id) }))
}

/** Content when there is one of the kind in that state already: another process was quicker. */
export async function insertMaterial(
  db: Db,
  box: SecretBox,
  { kind, state, certificate, key }: Secret & Pick<TrustMaterialRow, 'kind' | 'state'>,
  nowMs: number,
): Promise<void> {
  const id = randomUUID()
  await db
    .insertInto('trust_material')
    .values({ id, kind, state, certificate, sealed_key: box.seal(key, id), created_at_ms: nowMs })
    .onConflict((conflict) => conflict.columns(['kind', 'state']).doNothing())
    .execute()
}

/** So that an operator can drop a former passphrase. */
export async function sealAnew(db: Db, box: SecretBox): Promise<void> {
  for (const { id, sealed_key } of await db.selectFrom('trust_material').select(['id', 'sealed_key']).execute()) {
    if (sealed_key.startsWith(box.newest)) continue
    await db
      .updateTable('trust_material')
      .set({ sealed_key: box.seal(box.open(sealed_key, id), id) })
      .where('id', '=', id)
      .where('sealed_key', '=', sealed_key)
      .execute()
  }
}

export async function moveMaterial(
  tx: Tx,
  kinds: readonly MaterialKind[],
  from: TrustMaterialRow['state'],
  to: TrustMaterialRow['state'],
): Promise<void> {
  await tx.updateTable('trust_material').set({ state: to }).where('kind', 'in', kinds).where('state', '=', from).execute()
}

export async function dropMaterial(tx: Tx, kinds: readonly MaterialKind[], state: TrustMaterialRow['state']): Promise<void> {
  await tx.deleteFrom('trust_material').where('kind', 'in', kinds).where('state', '=', state).execute()
}

/** The one that signs now. */
export async function activeCa(db: Db, box: SecretBox, kind: 'server_ca' | 'client_ca'): Promise<{ certificate: string; key: string }> {
  const found = (await listMaterials(db, box)).find((material) => material.kind === kind && material.state === 'active')
  if (found?.certificate == null) throw new Error(`there is no ${kind}`)
  return { certificate: found.certificate, key: found.key }
}

export const makeHeartbeatKey = () => randomBytes(HEARTBEAT_KEY_BYTES).toString('base64url')

/** Its name has a part made at random: of two CAs of one name that count at the same time, OpenSSL may ask only one. */
export function makeCa(name: string, validitySeconds = CA_VALIDITY_SECONDS): Promise<{ certificate: string; key: string }> {
  const common_name = `${name} ${randomBytes(4).toString('hex')}`
  return createCertificateAuthority({ common_name, validitySeconds })
}

export async function issueClientCertificate(
  ca: { certificate: string; key: string },
  validitySeconds = CLIENT_CERTIFICATE_VALIDITY_SECONDS,
): Promise<{ certificate: string; key: string }> {
  const authority = await loadCertificateAuthority(ca)
  return authority.issue({ common_name: 'ottavia-controller', usage: 'client', validitySeconds })
}
