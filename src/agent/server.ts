/** HTTPS with mutual TLS: who has no certificate of the controllers' CA for clients is refused in the handshake. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createSecureContext, type TLSSocket } from 'node:tls'
import { blocksOf } from '../lib/pem.ts'
import { FENCED_MESSAGE, type Fences, FLOW_HEADER, GENERATION_HEADER, REQUEST_ID_HEADER } from './fence.ts'
import { writeAtomically } from './files.ts'
import type { AgentLog } from './log.ts'
import { createRouter, HttpError, type RouteTable } from './router.ts'
import type { AgentSettings } from './settings.ts'

/** How long an idle connection of a controller is kept. */
const KEEP_ALIVE_MS = 30_000
/** One controller has a handful; more is somebody who tries. */
const MAX_CONNECTIONS = 64
/** `req-` and a UUID. */
const MAX_ID_LENGTH = 40
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Certificates from a client's to the one that a CA of ours has signed. */
const LONGEST_CHAIN = 10

export class AgentServer {
  private readonly server: Server
  private readonly settings: AgentSettings
  private readonly connections = new Set<TLSSocket>()

  constructor(settings: AgentSettings, routes: RouteTable, fences: Fences, log: AgentLog) {
    this.settings = settings
    const router = createRouter(routes, {
      admit: (request) => admit(fences, request),
      onError: ({ method, url }, error) => log.error(`${method} ${url}: ${error.stack ?? error.message}`),
    })
    this.server = createServer(
      {
        ...this.identity(readFileSync(settings.serverCertificatePath)),
        requestCert: true,
        // With a CA given, OpenSSL checks the chain and that the certificate is for clients.
        rejectUnauthorized: true,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
        requestTimeout: settings.requestReadTimeoutMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => {
        response.on('finish', () => tellChange(log, request, response.statusCode))
        void router.handle(request, response)
      },
    )
    this.server.maxConnections = MAX_CONNECTIONS
    this.server.on('secureConnection', (socket) => {
      this.connections.add(socket)
      socket.once('close', () => this.connections.delete(socket))
    })
    this.server.on('tlsClientError', (error, socket) => log.info(`refused ${socket.remoteAddress ?? 'a client'}: ${error.message}`))
  }

  listen(): Promise<void> {
    const { bindHost, bindPort } = this.settings
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen({ host: bindHost, port: bindPort }, () => {
        this.server.off('error', reject)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve))
    this.server.closeIdleConnections()
    await closed
  }

  /** Takes a new certificate with its key (PEM) for connections from now on. Throws HttpError 400 when it is none, and keeps the old one. */
  replaceCertificate(pem: Buffer): void {
    try {
      const text = pem.toString('utf8')
      if (!new X509Certificate(text).checkPrivateKey(createPrivateKey(text))) throw new Error('the key belongs to another certificate')
      createSecureContext(this.identity(pem))
    } catch (error) {
      throw new HttpError(400, { message: 'Invalid certificate', details: (error as Error).message })
    }
    writeAtomically(this.settings.serverCertificatePath, pem, { mode: 0o600, sync: true })
    this.server.setSecureContext(this.identity(pem))
  }

  /**
   * Takes other CAs (PEM) whose clients are answered, and cuts off the clients of others. Throws HttpError 400, and keeps the old ones, when they are
   * none, or not those of who asks: the controller would lock itself out.
   */
  replaceClientCas(pem: Buffer, asking: TLSSocket): void {
    const text = pem.toString('utf8')
    const authorities = authoritiesIn(text)
    if (!isClientOf(asking, authorities)) throw invalidCas('the certificate of who asks is of none of them')
    writeAtomically(this.settings.clientCaPath, text, { mode: 0o600, sync: true })
    // With new keys for tickets too, so nobody resumes an old session.
    this.server.setSecureContext(this.identity(readFileSync(this.settings.serverCertificatePath)))
    for (const socket of this.connections) if (!isClientOf(socket, authorities)) socket.destroy()
  }

  private identity(pem: Buffer) {
    return { cert: pem, key: pem, ca: readFileSync(this.settings.clientCaPath), minVersion: 'TLSv1.2' as const }
  }
}

function authoritiesIn(pem: string): X509Certificate[] {
  try {
    const authorities = blocksOf(pem, 'CERTIFICATE').map((block) => new X509Certificate(block))
    if (authorities.length === 0 || !authorities.every(({ ca }) => ca)) throw new Error('not all are certificates of CAs')
    return authorities
  } catch (error) {
    throw invalidCas((error as Error).message)
  }
}

function invalidCas(details: string): HttpError {
  return new HttpError(400, { message: 'Invalid client CAs', details })
}

/** Whether one of these has signed the certificate that the client has shown, or one above it. */
function isClientOf(socket: TLSSocket, authorities: readonly X509Certificate[]): boolean {
  let certificate = socket.getPeerX509Certificate()
  for (let height = 0; certificate !== undefined && height < LONGEST_CHAIN; height++) {
    const shown = certificate
    if (authorities.some((ca) => shown.checkIssued(ca) && shown.verify(ca.publicKey))) return true
    certificate = shown.issuerCertificate
  }
  return false
}

function admit(fences: Fences, request: IncomingMessage): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const header = (name: string) => request.headers[name]?.toString()
  if (!fences.admits(header(FLOW_HEADER), header(GENERATION_HEADER)))
    throw new HttpError(409, { message: FENCED_MESSAGE, details: `flow ${header(FLOW_HEADER)}` })
}

/** What was changed, and for whom: ids that controllers make, cut where somebody else wrote more. */
function tellChange(log: AgentLog, { method, url, headers }: IncomingMessage, status: number): void {
  const request_id = headers[REQUEST_ID_HEADER]?.toString().slice(0, MAX_ID_LENGTH)
  const flow_id = headers[FLOW_HEADER]?.toString().slice(0, MAX_ID_LENGTH)
  const line = `${method} ${url}: ${status}${request_id === undefined ? '' : ` ${request_id}`}${flow_id === undefined ? '' : ` flow ${flow_id}`}`
  if (method === 'GET' || method === 'HEAD') log.debug(line)
  else log.info(line)
}
