/**
 * The two CAs, the controllers' certificate and the key of heartbeats: from the files and options that an operator has set; what he has not is made at
 * the first start and lies in the database, encrypted, so that all controllers have the same and can exchange it while they run. `certs/` of the state
 * shows what is in use. Two CAs, so that no amphora's certificate opens another's agent.
 */
import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'
import { type CertificateAuthority, loadCertificateAuthority } from '../lib/certificate-authority.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { blocksOf } from '../lib/pem.ts'
import { recordKnownAgents } from '../resources/amphora/agents.ts'
import {
  activeCa,
  boxOf,
  insertMaterial,
  issueClientCertificate,
  listMaterials,
  type Material,
  makeCa,
  type Secret,
  sealAnew,
  versionOfMaterials,
} from '../trust/materials.ts'
import { isOwn } from '../trust/own.ts'
import type { MaterialKind } from '../trust/tables.ts'
import { credentialsOf, type Trust, type TrustMaterial } from '../trust/trust.ts'
import { writePrivately } from './state.ts'

/** How soon a controller learns what another has changed. */
const LOOK_INTERVAL_MS = 1_000

export interface TrustOptions {
  db: Db
  config: Config
  clock: Clock
  log: Log
}

/** Throws where a file cannot be read, or what lies in the database cannot be opened. */
export async function openTrust(options: TrustOptions): Promise<Trust & { stop(): Promise<void> }> {
  const { db, config, clock } = options
  mkdirSync(certificatesDirectory(config), { recursive: true, mode: 0o700 })
  await makeWhatIsMissing(db, config, clock.now())
  await sealAnew(db, boxOf(config))
  const trust = new LiveTrust(options, await readTrust(db, config), await versionOfMaterials(db))
  // Of an installation from before anything was noted: they have what was made at the first start.
  await recordKnownAgents(db, credentialsOf(trust.current))
  return trust
}

/** As it is now. */
export async function readTrust(db: Db, config: Config): Promise<TrustMaterial> {
  return materialOf(config, await listMaterials(db, boxOf(config)))
}

class LiveTrust implements Trust {
  current: TrustMaterial
  readonly #options: TrustOptions
  readonly #timer: NodeJS.Timeout
  #version: string
  #refreshing: Promise<void> = Promise.resolve()

  constructor(options: TrustOptions, current: TrustMaterial, version: string) {
    this.#options = options
    this.current = current
    this.#version = version
    this.#show()
    this.#timer = setInterval(() => {
      this.refresh().catch((error: Error) => options.log.warn({ error: error.message }, 'cannot look for new certificates and keys'))
    }, LOOK_INTERVAL_MS)
  }

  /** One after another, so that none puts back what a later one has read. */
  refresh(): Promise<void> {
    const refreshed = this.#refreshing.then(() => this.#refresh())
    this.#refreshing = refreshed.catch(() => {})
    return refreshed
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#refreshing
  }

  async #refresh(): Promise<void> {
    const { db, config } = this.#options
    const version = await versionOfMaterials(db)
    if (version === this.#version) return
    this.current = await readTrust(db, config)
    this.#version = version
    this.#show()
  }

  /** For an operator's own clients, and for a start on another database. */
  #show(): void {
    const { config } = this.#options
    const { serverCas, clientCas, client, own } = this.current as OpenedTrust
    const files: [MaterialKind, string, string][] = [
      ['server_ca', certificatesFile(config, 'server_ca.pem'), serverCas],
      ['client_ca', certificatesFile(config, 'client_ca.pem'), clientCas],
      ['client_certificate', certificatesFile(config, 'client.pem'), `${client.certificate.trim()}\n${client.key.trim()}\n`],
      ...own.filter(({ state }) => state === 'active').flatMap(({ kind, key }) => keyFile(config, kind, key)),
    ]
    for (const [kind, path, contents] of files) {
      if (isOwn(config, kind) && (!existsSync(path) || readFileSync(path, 'utf8') !== contents)) writePrivately(path, contents)
    }
  }
}

interface OpenedTrust extends TrustMaterial {
  readonly own: readonly Material[]
}

function keyFile(config: Config, kind: MaterialKind, key: string): [MaterialKind, string, string][] {
  if (kind === 'client_certificate') return []
  return [[kind, kind === 'heartbeat_key' ? join(config.stateDirectory, 'heartbeat.key') : certificatesFile(config, `${kind}.key`), key]]
}

async function materialOf(config: Config, own: readonly Material[]): Promise<OpenedTrust> {
  const { certificates, haproxy_amphora, controller_worker, health_manager } = config
  const certificatesOf = (kind: MaterialKind) => own.filter((material) => material.kind === kind).map(({ certificate }) => certificate!)
  const active = (kind: MaterialKind) => own.find((material) => material.kind === kind && material.state === 'active')
  const serverCa = await (isOwn(config, 'server_ca') ? authorityOf(active('server_ca')) : configuredAuthority(config))
  const further = haproxy_amphora.server_ca === null ? [] : [readFileSync(haproxy_amphora.server_ca, 'utf8')]
  const signing = isOwn(config, 'server_ca') ? certificatesOf('server_ca') : [serverCa.certificate]
  const common = {
    serverCa,
    serverCas: joined([...signing, ...further]),
    heartbeatKeys: isOwn(config, 'heartbeat_key')
      ? own.filter(({ kind }) => kind === 'heartbeat_key').map(({ key }) => key)
      : [health_manager.heartbeat_key!, ...health_manager.further_heartbeat_keys],
    digestKey: certificates.server_certs_key_passphrase[0]!,
    own,
  }
  if (haproxy_amphora.client_cert === null) {
    const client = active('client_certificate')
    if (client?.certificate == null) throw new Error('there is no certificate of the controllers')
    return { ...common, clientCas: joined(certificatesOf('client_ca')), client: { certificate: client.certificate, key: client.key } }
  }
  const clientCa = controller_worker.client_ca ?? certificatesFile(config, 'client_ca.pem')
  return { ...common, clientCas: readFileSync(clientCa, 'utf8'), client: splitPem(readFileSync(haproxy_amphora.client_cert, 'utf8')) }
}

function authorityOf(material: Material | undefined): Promise<CertificateAuthority> {
  if (material?.certificate == null) throw new Error('there is no CA for the certificates of agents')
  return loadCertificateAuthority({ certificate: material.certificate, key: material.key })
}

function configuredAuthority(config: Config): Promise<CertificateAuthority> {
  const { ca_certificate, ca_private_key, ca_private_key_passphrase } = config.certificates
  return loadCertificateAuthority({
    certificate: readFileSync(ca_certificate!, 'utf8'),
    key: readFileSync(ca_private_key ?? certificatesFile(config, 'server_ca.key'), 'utf8'),
    passphrase: ca_private_key_passphrase ?? undefined,
  })
}

/** From the files of an earlier version or an earlier database, if they are there. Where several controllers start at once, one is first. */
async function makeWhatIsMissing(db: Db, config: Config, nowMs: number): Promise<void> {
  const box = boxOf(config)
  const missing = new Set<MaterialKind>(['server_ca', 'client_ca', 'client_certificate', 'heartbeat_key'])
  for (const { kind, state } of await db.selectFrom('trust_material').select(['kind', 'state']).execute()) {
    if (state === 'active') missing.delete(kind)
  }
  const ensure = async (kind: MaterialKind, make: () => Promise<Secret>) => {
    if (missing.has(kind) && isOwn(config, kind)) await insertMaterial(db, box, { kind, state: 'active', ...(await make()) }, nowMs)
  }
  await ensure('server_ca', async () => formerCa(config, 'server_ca') ?? makeCa('Ottavia server CA'))
  await ensure('client_ca', async () => formerCa(config, 'client_ca') ?? makeCa('Ottavia client CA'))
  await ensure('client_certificate', async () => {
    const ca = await activeCa(db, box, 'client_ca')
    const path = certificatesFile(config, 'client.pem')
    const former = existsSync(path) ? splitPem(readFileSync(path, 'utf8')) : null
    return former !== null && new X509Certificate(former.certificate).checkIssued(new X509Certificate(ca.certificate))
      ? former
      : issueClientCertificate(ca)
  })
  await ensure('heartbeat_key', async () => ({ certificate: null, key: config.health_manager.heartbeat_key! }))
}

/** The first certificate of the file is the one of the key. */
function formerCa(config: Config, kind: 'server_ca' | 'client_ca'): Secret | null {
  const certificate = certificatesFile(config, `${kind}.pem`)
  const key = certificatesFile(config, `${kind}.key`)
  if (!existsSync(certificate) || !existsSync(key)) return null
  return { certificate: blocksOf(readFileSync(certificate, 'utf8'), 'CERTIFICATE')[0]!, key: readFileSync(key, 'utf8') }
}

function splitPem(pem: string): { certificate: string; key: string } {
  const blocks = pem.match(/-----BEGIN [^-]+-----[\s\S]+?-----END [^-]+-----/g) ?? []
  const key = blocks.find((block) => block.includes('PRIVATE KEY'))
  const certificates = blocks.filter((block) => block.includes('BEGIN CERTIFICATE'))
  if (key === undefined || certificates.length === 0) throw new Error('the client certificate file needs a certificate and a private key')
  return { certificate: certificates.join('\n'), key }
}

const joined = (pems: readonly string[]) => pems.map((pem) => `${pem.trim()}\n`).join('')
const certificatesDirectory = ({ stateDirectory }: Config) => join(stateDirectory, 'certs')
const certificatesFile = (config: Config, name: string) => join(certificatesDirectory(config), name)
