/** What both servers find in the store of their local_cert_manager: two servers' certificates, a CA and its revocation list. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aCertificate, anAuthority, aRevocationList } from '../support/certificates.ts'

/** Answers the directory. Our clock stands still, long before the other's: all are valid by both. */
export async function makeCertificates(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ottavia-certificates-'))
  const authority = await anAuthority()
  const pairs = {
    server1: await aCertificate({ name: 'server1.example' }),
    server2: await aCertificate({ name: 'server2.example' }),
    ca1: authority,
  }
  for (const [name, { certificate, private_key }] of Object.entries(pairs)) {
    await writeFile(join(directory, `${name}.crt`), certificate)
    await writeFile(join(directory, `${name}.key`), private_key)
  }
  await writeFile(join(directory, 'crl1.crt'), await aRevocationList(authority))
  return directory
}
