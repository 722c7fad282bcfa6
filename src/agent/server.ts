/** HTTPS with mutual TLS: who has no certificate of the controllers' CA for clients is refused in the handshake. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import { createSecureContext } from 'node:tls'
import { FENCED_MESSAGE, type Fences, FLOW_HEADER, GENERATION_HEADER } from './fence.ts'
import { writeAtomically } from './files.ts'
import type { AgentLog } from './log.ts'
import { createRouter, HttpError, type RouteTable } from './router.ts'
import type { AgentSettings } from './settings.ts'

/** How long an idle connection of a controller is kept. */
const KEEP_ALIVE_MS = 30_000
/** One controller has a handful; more is somebody who tries. */
const MAX_CONNECTIONS = 64
const HANDSHAKE_TIMEOUT_MS = 10_000

export class AgentServer {
  private readonly server: Server
  private readonly settings: AgentSettings

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
      (request, response) => void router.handle(request, response),
    )
    this.server.maxConnections = MAX_CONNECTIONS
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

  private identity(pem: Buffer) {
    return { cert: pem, key: pem, ca: readFileSync(this.settings.clientCaPath), minVersion: 'TLSv1.2' as const }
  }
}

function admit(fences: Fences, request: IncomingMessage): void {
  if (request.method === 'GET' || request.method === 'HEAD') return
  const header = (name: string) => request.headers[name]?.toString()
  if (!fences.admits(header(FLOW_HEADER), header(GENERATION_HEADER)))
    throw new HttpError(409, { message: FENCED_MESSAGE, details: `flow ${header(FLOW_HEADER)}` })
}
