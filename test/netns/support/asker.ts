/** A program for a client's namespace: reads requests as JSON from its standard input, makes them one after the other, each on a connection of its own, and prints the answers as JSON. */
import { readFileSync } from 'node:fs'
import { type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'

export interface Asked {
  url: string
  method?: string
  headers?: Record<string, string>
  /** The client's own address. */
  from?: string
  /** PEM files. Without `ca` any certificate will do. */
  ca?: string
  certificate?: string
  servername?: string
  timeoutMs?: number
}

/** A request without an answer has the status 0 and an error's code. */
export interface Answered {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
  error: string | null
  /** Of a TLS connection, the name in the server's certificate. */
  server: string | null
}

const DEFAULT_TIMEOUT_MS = 3_000

const answers: Answered[] = []
for (const asked of JSON.parse(await text(process.stdin)) as Asked[]) answers.push(await ask(asked))
process.stdout.write(JSON.stringify(answers))

function ask({
  url,
  method = 'GET',
  headers = {},
  from,
  ca,
  certificate,
  servername,
  timeoutMs = DEFAULT_TIMEOUT_MS,
}: Asked): Promise<Answered> {
  const pem = certificate === undefined ? undefined : readFileSync(certificate)
  const tls = { ca: ca === undefined ? undefined : readFileSync(ca), key: pem, cert: pem, servername, rejectUnauthorized: ca !== undefined }
  const options: RequestOptions = { method, headers, localAddress: from, agent: false, timeout: timeoutMs, ...tls }
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, headers: {}, body: '', error: error.code ?? error.message, server: null })
    const make = url.startsWith('https:') ? requestHttps : requestHttp
    const request = make(url, options, async (response) => {
      const socket = response.socket as { getPeerCertificate?(): { subject?: { CN?: string | string[] } } }
      const server = socket.getPeerCertificate?.().subject?.CN
      try {
        const body = await text(response)
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body,
          error: null,
          server: server === undefined ? null : String(server),
        })
      } catch (error) {
        failed(error as NodeJS.ErrnoException)
      }
    })
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })))
    request.on('error', failed)
    request.end()
  })
}
