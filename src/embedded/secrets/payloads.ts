/** Payloads are sealed with AES-256-GCM and open in their own row only; in clear they are in memory alone, and only while they are asked for. */
import type { Db } from '../../db/connection.ts'
import type { Log } from '../../lib/log.ts'
import type { SecretBox } from '../../lib/secret-box.ts'
import { listSecretsNotSealedSo, updateSecret } from './repository.ts'
import type { SecretRow } from './tables.ts'

const BATCH = 100

export function sealPayload(box: SecretBox, id: string, bytes: Buffer): string {
  return box.seal(bytes.toString('base64'), id)
}

/** Null when there is none. Throws when no key opens it. */
export function openPayload(box: SecretBox, { id, payload }: Pick<SecretRow, 'id' | 'payload'>): Buffer | null {
  return payload === null ? null : Buffer.from(box.open(payload, id), 'base64')
}

/**
 * Seals with the newest key what older ones have sealed, so that they can be given up; what no key opens stays as it is and is told. Bounded by
 * what is stored: a start with a new key goes through it once.
 */
export async function sealAnew({ db, box, log }: { db: Db; box: SecretBox; log: Log }): Promise<void> {
  let after = ''
  let sealed = 0
  for (;;) {
    const rows = await listSecretsNotSealedSo(db, { beginning: box.newest, after, limit: BATCH })
    const last = rows.at(-1)
    if (last === undefined) break
    for (const row of rows) {
      try {
        await updateSecret(db, row.id, { payload: sealPayload(box, row.id, openPayload(box, row)!) })
        sealed++
      } catch (error) {
        log.error({ err: error, secret_id: row.id }, 'a secret cannot be opened')
      }
    }
    after = last.id
  }
  if (sealed > 0) log.info({ sealed }, 'secrets were sealed with the newest key')
}
