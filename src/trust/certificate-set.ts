/**
 * What an operator brings to an installation of his own, as upstream's guide has it made (`doc/source/admin/guides/certificates.rst`, "dual CA"): a CA
 * for agents' certificates, whose encrypted key the controllers sign with, and a CA for the controllers' own certificate. File names are the guide's.
 */
import { createPrivateKey, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { issueClientCertificate, makeCa } from './materials.ts'

const DAY_SECONDS = 86_400

export const setFiles = {
  serverCa: 'server_ca.cert.pem',
  serverCaKey: 'server_ca.key.pem',
  clientCa: 'client_ca.cert.pem',
  /** Signs the next certificate of the controllers; no controller needs it. */
  clientCaKey: 'client_ca.key.pem',
  client: 'client.cert-and-key.pem',
} as const

export interface CertificateSet {
  /** By their names. Keys of CAs are encrypted with the passphrase. */
  files: Record<string, string>
  passphrase: string
}

export async function makeCertificateSet({
  passphrase,
  caDays,
  clientDays,
}: {
  passphrase: string
  caDays: number
  clientDays: number
}): Promise<CertificateSet> {
  const [serverCa, clientCa] = await Promise.all([
    makeCa('Ottavia server CA', caDays * DAY_SECONDS),
    makeCa('Ottavia client CA', caDays * DAY_SECONDS),
  ])
  const client = await issueClientCertificate(clientCa, clientDays * DAY_SECONDS)
  const files = {
    [setFiles.serverCa]: serverCa.certificate,
    [setFiles.serverCaKey]: encrypted(serverCa.key, passphrase),
    [setFiles.clientCa]: clientCa.certificate,
    [setFiles.clientCaKey]: encrypted(clientCa.key, passphrase),
    [setFiles.client]: `${client.certificate.trim()}\n${client.key.trim()}\n`,
  }
  return { files, passphrase }
}

/** Throws, and writes nothing, where one of the files is there already: whoever lost a CA's key would have to replace every amphora. */
export function writeCertificateSet(directory: string, { files }: Pick<CertificateSet, 'files'>): void {
  for (const name of Object.keys(files)) {
    const path = join(directory, name)
    if (existsSync(path)) throw new Error(`${path} is there already, and is not overwritten`)
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(directory, 0o700)
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(directory, name), contents, { mode: 0o600, flag: 'wx' })
}

/** The lines of octavia.conf by which controllers find what lies in that directory. */
export function configurationOf(directory: string, { passphrase }: Pick<CertificateSet, 'passphrase'>): string {
  const path = (name: string) => join(directory, name)
  return [
    '[certificates]',
    'cert_generator = local_cert_generator',
    `ca_certificate = ${path(setFiles.serverCa)}`,
    `ca_private_key = ${path(setFiles.serverCaKey)}`,
    `ca_private_key_passphrase = ${passphrase}`,
    `server_certs_key_passphrase = ${makePassphrase()}`,
    '',
    '[controller_worker]',
    `client_ca = ${path(setFiles.clientCa)}`,
    '',
    '[haproxy_amphora]',
    `client_cert = ${path(setFiles.client)}`,
    `server_ca = ${path(setFiles.serverCa)}`,
  ].join('\n')
}

/** 32 characters of base64url: upstream takes no other length for server_certs_key_passphrase. */
export const makePassphrase = () => randomBytes(24).toString('base64url')

function encrypted(key: string, passphrase: string): string {
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string
}
