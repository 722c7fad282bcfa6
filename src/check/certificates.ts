/** What controllers and amphorae know each other by, as far as an operator brings it (docs/rotations.md), and how it is kept. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import { blocksOf } from '../lib/pem.ts'
import { isOwn } from '../trust/own.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'

const DAY_MS = 86_400_000
/** An agent's certificate is signed for a month and renewed for as long as an amphora lives; a CA that ends takes all amphorae with it. */
const CA_DAYS = 365
const CLIENT_DAYS = 30
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SAMPLE_PASSPHRASE = 'insecure-key-do-not-use-this-key'
const CREATE = 'ottavia certificates create DIRECTORY'

export async function checkCertificates({ config }: Look): Promise<Said[]> {
  if (config.controller_worker.amphora_driver === 'amphora_noop_driver') return [ok('amphora_noop_driver: no certificates')]
  return [...serverCa(config), ...clientCertificate(config), ...passphrases(config)]
}

function serverCa(config: Config): Said[] {
  if (isOwn(config, 'server_ca'))
    return [ok("the CA of agents' certificates is made at the first start, for all controllers of the database")]
  const { ca_certificate, ca_private_key, ca_private_key_passphrase } = config.certificates
  const option = '[certificates] ca_certificate'
  const opened = certificatesIn(option, ca_certificate!)
  if (!Array.isArray(opened)) return [opened]
  const said = authority(option, opened[0]!)
  if (ca_private_key === null) return [...said, error('[certificates] ca_private_key is missing, and ca_certificate is given', CREATE)]
  const key = privateKeyIn('[certificates] ca_private_key', ca_private_key, ca_private_key_passphrase)
  if ('level' in key) return [...said, key]
  if (!opened[0]!.checkPrivateKey(key)) said.push(error('[certificates] ca_private_key is not the key of ca_certificate', CREATE))
  if (config.haproxy_amphora.server_ca !== null) {
    const trusted = certificatesIn('[haproxy_amphora] server_ca', config.haproxy_amphora.server_ca)
    if (!Array.isArray(trusted)) return [...said, trusted]
    if (!trusted.some((ca) => ca.fingerprint256 === opened[0]!.fingerprint256 || opened[0]!.checkIssued(ca))) {
      said.push(
        warning(
          '[haproxy_amphora] server_ca does not hold [certificates] ca_certificate, which signs agents’ certificates; both are trusted',
        ),
      )
    }
  }
  return said
}

function clientCertificate(config: Config): Said[] {
  if (isOwn(config, 'client_certificate')) return [ok('the certificate of the controllers is made at the first start, with its CA')]
  const option = '[haproxy_amphora] client_cert'
  const file = config.haproxy_amphora.client_cert!
  const opened = certificatesIn(option, file)
  if (!Array.isArray(opened)) return [opened]
  const [client] = opened as [X509Certificate]
  const said = lifetime(option, client, CLIENT_DAYS)
  const key = privateKeyIn(option, file, null)
  if ('level' in key) said.push(key)
  else if (!client.checkPrivateKey(key)) said.push(error(`${option}: the key in ${file} is not that of its certificate`, CREATE))
  if (client.keyUsage !== undefined && !client.keyUsage.includes(CLIENT_AUTH)) {
    said.push(error(`${option}: the certificate is not for clients (extended key usage), so agents refuse it`, CREATE))
  }
  const { client_ca } = config.controller_worker
  if (client_ca === null)
    return [
      ...said,
      error('[controller_worker] client_ca is missing: amphorae would not know who signed client_cert', 'client_ca = its CA'),
    ]
  const cas = certificatesIn('[controller_worker] client_ca', client_ca)
  if (!Array.isArray(cas)) return [...said, cas]
  said.push(...authority('[controller_worker] client_ca', cas[0]!))
  if (!cas.some((ca) => client.checkIssued(ca) && client.verify(ca.publicKey))) {
    said.push(error(`${option} is not signed by [controller_worker] client_ca, so agents refuse it`, CREATE))
  }
  if (!isOwn(config, 'server_ca')) {
    const serverCas = certificatesIn('[certificates] ca_certificate', config.certificates.ca_certificate!)
    const isOne = Array.isArray(serverCas) && cas.some((ca) => serverCas.some(({ fingerprint256 }) => fingerprint256 === ca.fingerprint256))
    if (isOne)
      said.push(
        warning(
          'one CA signs for agents and for controllers: whoever has an amphora’s key can speak to all others as a controller',
          CREATE,
        ),
      )
  }
  return said
}

function passphrases({ certificates: { server_certs_key_passphrase }, database }: Config): Said[] {
  const option = '[certificates] server_certs_key_passphrase'
  const make = 'server_certs_key_passphrase = $(openssl rand -hex 16)'
  const [newest] = server_certs_key_passphrase
  // What controllers share lies in the database, encrypted with it.
  if (newest === undefined && database.connection?.startsWith('postgres'))
    return [warning(`${option} is missing: each machine would make its own, and controllers on another could read nothing`, make)]
  if (newest === undefined) return [ok(`${option} is made at the first start`)]
  if (newest === SAMPLE_PASSPHRASE) return [warning(`${option} is that of the sample: whoever reads the database has all keys`, make)]
  const wrong = server_certs_key_passphrase.find((passphrase) => !/^[\w=-]{32}$/.test(passphrase))
  if (wrong !== undefined)
    return [warning(`${option} should have 32 characters of base64url, as Octavia wants it; one has ${wrong.length}`, make)]
  return [ok(`${option} has the right length`)]
}

function authority(option: string, certificate: X509Certificate): Said[] {
  const said = lifetime(option, certificate, CA_DAYS)
  if (!certificate.ca) said.push(error(`${option}: the certificate is not that of a CA (basic constraints)`, CREATE))
  return said
}

function lifetime(option: string, certificate: X509Certificate, days: number): Said[] {
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
  const now = Date.now()
  const end = certificate.validToDate.toISOString().slice(0, 10)
  const name = certificate.subject.split('\n').at(-1)
  if (to <= now) return [error(`${option}: the certificate (${name}) expired on ${end}`, CREATE)]
  if (from > now)
    return [error(`${option}: the certificate (${name}) is not valid before ${certificate.validFromDate.toISOString()}`, CREATE)]
  if (to < now + days * DAY_MS)
    return [warning(`${option}: the certificate (${name}) ends on ${end}, in ${Math.floor((to - now) / DAY_MS)} days`, CREATE)]
  return [ok(`${option}: ${name}, valid until ${end}`)]
}

/** At least one. */
function certificatesIn(option: string, file: string): X509Certificate[] | Said {
  try {
    const found = blocksOf(readFileSync(file, 'utf8'), 'CERTIFICATE').map((block) => new X509Certificate(block))
    return found.length > 0 ? found : error(`${option}: ${file} holds no certificate`, CREATE)
  } catch (failure) {
    return error(`${option}: ${file} cannot be read: ${(failure as Error).message}`, CREATE)
  }
}

function privateKeyIn(option: string, file: string, passphrase: string | null): ReturnType<typeof createPrivateKey> | Said {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (failure) {
    return error(`${option}: ${file} cannot be read: ${(failure as Error).message}`, CREATE)
  }
  try {
    return createPrivateKey({ key: text, passphrase: passphrase ?? undefined })
  } catch {
    // OpenSSL's words about a wrong passphrase help nobody.
    return error(
      `${option}: the key in ${file} cannot be opened (${passphrase === null ? 'no passphrase is given' : 'its passphrase is wrong'})`,
      CREATE,
    )
  }
}
