/** Agents' server certificates. The row keeps the last one with its key, encrypted: keys never go through the journal. */
import type { Context } from '../context.ts'
import type { AmphoraRow } from '../db/tables.ts'
import { timestamp } from '../lib/clock.ts'
import { SecretBox } from '../lib/secret-box.ts'
import { recordNewAgent } from '../resources/amphora/agents.ts'
import { credentialsOf } from '../trust/trust.ts'

interface Issued {
  /** The certificate, then its key. */
  pem: string
  /** What the amphora's row says of it. */
  columns: Pick<AmphoraRow, 'server_certificate' | 'cert_expiration' | 'updated_at'>
}

export async function issueServerCertificate({ config, clock, trust }: Context, amphora_id: string): Promise<Issued> {
  const { cert_validity_time } = config.certificates
  const issued = await trust.current.serverCa.issue({ common_name: amphora_id, usage: 'server', validitySeconds: cert_validity_time })
  const pem = `${issued.certificate.trim()}\n${issued.key.trim()}\n`
  return {
    pem,
    columns: {
      server_certificate: boxOf(config).seal(pem),
      cert_expiration: timestamp(issued.notAfter.getTime()),
      updated_at: timestamp(clock.now()),
    },
  }
}

/** Issued once, so that a repeated step gives the machine the certificate that the row speaks of. */
export async function serverCertificateOf(context: Context, amphora_id: string): Promise<string> {
  const { db, config, trust } = context
  const { server_certificate } = await db
    .selectFrom('amphora')
    .select('server_certificate')
    .where('id', '=', amphora_id)
    .executeTakeFirstOrThrow()
  if (server_certificate !== null) return boxOf(config).open(server_certificate)
  const credentials = credentialsOf(trust.current)
  const { pem, columns } = await issueServerCertificate(context, amphora_id)
  await db.transaction().execute(async (tx) => {
    await tx.updateTable('amphora').set(columns).where('id', '=', amphora_id).execute()
    await recordNewAgent(tx, amphora_id, credentials)
  })
  return pem
}

function boxOf({ certificates }: Context['config']): SecretBox {
  return new SecretBox('[certificates] server_certs_key_passphrase', certificates.server_certs_key_passphrase)
}
