/** What both servers find in the store of their local_cert_manager: two servers' certificates, a CA and its revocation list. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../../src/lib/exec.ts'

/** Answers the directory. */
export async function makeCertificates(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ottavia-certificates-'))
  const openssl = (...args: string[]) => exec('openssl', args, { cwd: directory })
  for (const name of ['server1', 'server2', 'ca1']) {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`]
    await openssl('req', '-x509', ...key, '-out', `${name}.crt`, '-days', '30', '-subj', `/CN=${name}.example`)
  }
  await writeFile(join(directory, 'index.txt'), '')
  await writeFile(join(directory, 'ca.conf'), '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\n')
  await openssl('ca', '-gencrl', '-config', 'ca.conf', '-cert', 'ca1.crt', '-keyfile', 'ca1.key', '-out', 'crl1.crt')
  return directory
}
