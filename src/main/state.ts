/**
 * The state directory: everything an installation keeps besides an external database. Made at the first start with mode 0700; what is
 * secret in it has mode 0600.
 */
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config/config.ts'
import type { CertificateAuthority } from '../lib/certificate-authority.ts'
import { createCertificateAuthority, loadCertificateAuthority } from '../lib/certificate-authority.ts'
import { retry } from '../lib/retry.ts'
import type { Trust } from '../trust/trust.ts'
import { callersPath } from './configuration.ts'

const CA_VALIDITY_DAYS = 3650
const CLIENT_CERTIFICATE_VALIDITY_DAYS = 3650
const DAY_SECONDS = 86_400
const PREPARE_RETRY = { attempts: 300, firstWaitMs: 20, longestWaitMs: 100 }

/** `--state`, else OTTAVIA_STATE_DIR, else `var` in the checkout (not in the working directory). Relative paths are the caller's. */
export function stateDirectoryOf(option: string | undefined): string {
  const chosen = option ?? process.env.OTTAVIA_STATE_DIR
  if (chosen === undefined || chosen === '') return fileURLToPath(new URL('../../var', import.meta.url))
  return callersPath(chosen)
}

/** In the name of every bridge, veth, namespace, cgroup and nft table, so that several states run side by side on one host. */
export function stateHash(stateDirectory: string): string {
  return createHash('sha256').update(stateDirectory).digest('hex').slice(0, 6)
}

/** Makes the directory, or checks that the one there is private. */
export function openStateDirectory(stateDirectory: string): void {
  mkdirSync(join(stateDirectory, 'log'), { recursive: true, mode: 0o700 })
  chmodSync(stateDirectory, 0o700)
}

/** One process makes what embedded services need on this machine, or takes it away. Throws when another does. */
export function lockState(stateDirectory: string): Promise<() => void> {
  return lock(stateHash(stateDirectory), `another controller is running on the state ${stateDirectory}`)
}

/** One process uses an SQLite database, from whichever state. Throws when another does. */
export function lockDatabaseFile(path: string): Promise<() => void> {
  return lock(`db-${stateHash(path)}`, `another controller uses the database ${path}; several need PostgreSQL ([database] connection)`)
}

/** What the first start makes in the state directory is made by one of several processes that start at the same time. */
export async function whilePreparing<T>(stateDirectory: string, work: () => Promise<T>): Promise<T> {
  const name = `prepare-${stateHash(stateDirectory)}`
  const release = await retry(PREPARE_RETRY, () =>
    lock(name, `another process has been preparing the state ${stateDirectory} for too long`),
  )
  try {
    return await work()
  } finally {
    release()
  }
}

/** A socket in the abstract namespace, which the kernel takes away with the process, however it ends. */
async function lock(name: string, refusal: string): Promise<() => void> {
  const server = createServer()
  await new Promise<void>((granted, refused) => {
    server.once('error', (error: NodeJS.ErrnoException) => refused(error.code === 'EADDRINUSE' ? new Error(refusal) : error))
    server.listen(`\0ottavia-${name}`, granted)
  })
  server.unref()
  return () => server.close()
}

/** Whole or not at all, also when the machine stops half-way. */
export function writePrivately(path: string, contents: string): void {
  writeFileSync(`${path}.new`, contents, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** The secret in this file of the state directory; made at random at the first call. */
export function secretOf(stateDirectory: string, name: string): string {
  const path = join(stateDirectory, name)
  if (!existsSync(path)) writePrivately(path, randomBytes(32).toString('base64url'))
  return readFileSync(path, 'utf8').trim()
}

/**
 * The two CAs and the controller's certificate, from the files the configuration names, else from `certs/` in the state, made at the
 * first start. Two CAs, so that no amphora's certificate opens another's agent.
 */
export async function openTrust(stateDirectory: string, config: Config): Promise<Trust> {
  const directory = join(stateDirectory, 'certs')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = (name: string) => join(directory, name)

  const { ca_certificate, ca_private_key, ca_private_key_passphrase } = config.certificates
  const serverCa = await certificateAuthority(ca_certificate ?? file('server_ca.pem'), ca_private_key ?? file('server_ca.key'), {
    name: 'Ottavia server CA',
    passphrase: ca_private_key_passphrase,
    mayCreate: ca_certificate === null,
  })
  const { server_ca, client_cert } = config.haproxy_amphora
  const serverCas = server_ca === null ? serverCa.certificate : `${serverCa.certificate}${readFileSync(server_ca, 'utf8')}`
  if (client_cert !== null) {
    const pem = readFileSync(client_cert, 'utf8')
    const clientCas = readFileSync(config.controller_worker.client_ca ?? file('client_ca.pem'), 'utf8')
    return { current: { serverCa, serverCas, clientCas, client: splitPem(pem) } }
  }
  const clientCa = await certificateAuthority(file('client_ca.pem'), file('client_ca.key'), {
    name: 'Ottavia client CA',
    passphrase: null,
    mayCreate: true,
  })
  if (!existsSync(file('client.pem'))) {
    const issued = await clientCa.issue({
      common_name: 'ottavia-controller',
      usage: 'client',
      validitySeconds: CLIENT_CERTIFICATE_VALIDITY_DAYS * DAY_SECONDS,
    })
    writePrivately(file('client.pem'), `${issued.certificate.trim()}\n${issued.key.trim()}\n`)
  }
  const client = splitPem(readFileSync(file('client.pem'), 'utf8'))
  return { current: { serverCa, serverCas, clientCas: clientCa.certificate, client } }
}

async function certificateAuthority(
  certificatePath: string,
  keyPath: string,
  { name, passphrase, mayCreate }: { name: string; passphrase: string | null; mayCreate: boolean },
): Promise<CertificateAuthority> {
  // The certificate is written last: where it is, the key is too.
  if (mayCreate && !existsSync(certificatePath)) {
    const made = await createCertificateAuthority({ common_name: name, validitySeconds: CA_VALIDITY_DAYS * DAY_SECONDS })
    writePrivately(keyPath, made.key)
    writePrivately(certificatePath, made.certificate)
  }
  return loadCertificateAuthority({
    certificate: readFileSync(certificatePath, 'utf8'),
    key: readFileSync(keyPath, 'utf8'),
    passphrase: passphrase ?? undefined,
  })
}

function splitPem(pem: string): { certificate: string; key: string } {
  const blocks = pem.match(/-----BEGIN [^-]+-----[\s\S]+?-----END [^-]+-----/g) ?? []
  const key = blocks.find((block) => block.includes('PRIVATE KEY'))
  const certificates = blocks.filter((block) => block.includes('BEGIN CERTIFICATE'))
  if (key === undefined || certificates.length === 0) throw new Error('the client certificate file needs a certificate and a private key')
  return { certificate: certificates.join('\n'), key }
}
