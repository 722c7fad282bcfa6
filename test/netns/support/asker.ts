/**
 * A program for a client's namespace: takes lists of requests, a line of JSON each, from its standard input. It makes those of a list one after
 * the other, each on a connection of its own, and prints their answers as a line of JSON. Ends with its input.
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { type RequestOptions, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

export interface Asked {
  /** `udp://ADDRESS:PORT` is asked with one datagram. */
  url: string
  method?: string
  headers?: Record<string, string>
  /** The client's own address. */
  from?: string
  /** Of a datagram, so that it belongs to the same flow as the last one from there. */
  fromPort?: number
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

for await (const line of createInterface({ input: process.stdin })) void answer(JSON.parse(line) as { id: number; requests: Asked[] })
process.exit(0)

async function answer({ id, requests }: { id: number; requests: Asked[] }): Promise<void> {
  const answers: Answered[] = []
  for (const asked of requests) answers.push(await (asked.url.startsWith('udp:') ? askUdp(asked) : ask(asked)))
  process.stdout.write(`${JSON.stringify({ id, answers })}\n`)
}

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

/** Only an answer from the address that was asked counts. */
function askUdp({ url, from, fromPort, timeoutMs = DEFAULT_TIMEOUT_MS }: Asked): Promise<Answered> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/[[\]]/g, '')
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  return new Promise((resolve) => {
    const end = (status: number, body: string, error: string | null) => {
      clearTimeout(timer)
      socket.close()
      resolve({ status, headers: { 'x-member': body.split(' ')[0] }, body, error, server: null })
    }
    const timer = setTimeout(() => end(0, '', 'TIMEOUT'), timeoutMs)
    socket.on('message', (message) => end(200, message.toString(), null))
    socket.on('error', (error: NodeJS.ErrnoException) => end(0, '', error.code ?? error.message))
    socket.bind({ port: fromPort ?? 0, address: from }, () => socket.connect(Number(port), host, () => socket.send('hello')))
  })
}
