/**
 * A program for a lab host: members of many kinds, each on a port of its own, that tell who they are and what reached them. Its one
 * argument is a MemberHostOptions as JSON. It imports nothing but Node, for it runs as a process of its own.
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { parseProxyHeader } from './proxy-header.ts'

export interface MemberHostOptions {
  family: 4 | 6
  /** Ports of HTTP members, of members that speak the PROXY protocol, of UDP members. */
  http: number[]
  proxy: number[]
  udp: number[]
  /** PEM files: key and certificate. Clients are asked for a certificate and let in whatever they show. */
  tls: { port: number; pem: string }[]
}

/** What an HTTP or TLS member answers: the request as it arrived. */
export interface Echo {
  member: number
  method: string
  url: string
  version: string
  /** Names in lower case; the values of a name that came several times in their order. */
  headers: Record<string, string[]>
  /** Of the connection. */
  from: string
  tls: { protocol: string | null; cipher: string; servername: string | false; alpn: string | false; client: string | null } | null
}

/** Requests to `/health` that a member keeps, for tests to see how monitors ask. */
const MOST_CHECKS_KEPT = 20
/** As web servers do; Node's own 5 s would close connections under HAProxy that it is about to use. */
const KEPT_FOR_MS = 75_000

const options = JSON.parse(process.argv[2]!) as MemberHostOptions
const host = options.family === 4 ? '0.0.0.0' : '::'
/** What `/health` answers, by port. */
const health = new Map<number, number>()
const checks = new Map<number, Echo[]>()

for (const port of options.http) {
  const server = createServer((request, response) => answer(port, request, response)).listen(port, host)
  server.keepAliveTimeout = KEPT_FOR_MS
}
for (const { port, pem } of options.tls) {
  const material = readFileSync(pem)
  const tls = { key: material, cert: material, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }
  createTlsServer(tls, (request, response) => answer(port, request, response)).listen(port, host)
}
for (const port of options.proxy) createTcpServer(answerAfterProxyHeader).listen(port, host)
for (const port of options.udp) {
  const socket = createSocket(options.family === 4 ? 'udp4' : 'udp6')
  socket.on('message', (message, from) => socket.send(`${port} ${from.address} ${message}`, from.port, from.address))
  socket.bind(port, host)
}

/** `/health` answers what `/set-health?status=N` said; `?status=N`, `?wait=MS`, `?cookie=NAME=VALUE` and `?bytes=N` shape any answer; `/checks` lists the last checks. */
function answer(port: number, request: IncomingMessage, response: ServerResponse): void {
  const echo = echoOf(port, request)
  const { pathname, searchParams } = new URL(echo.url, 'http://member')
  let status = Number(searchParams.get('status') ?? 200)
  if (pathname === '/set-health') health.set(port, status)
  if (pathname.startsWith('/health')) {
    checks.set(port, [...(checks.get(port) ?? []), echo].slice(-MOST_CHECKS_KEPT))
    status = health.get(port) ?? 200
  }
  const cookie = searchParams.get('cookie')
  if (cookie !== null) response.setHeader('set-cookie', cookie)
  response.setHeader('x-member', String(port))
  const size = searchParams.get('bytes')
  const body = pathname === '/checks' ? JSON.stringify(checks.get(port) ?? []) : JSON.stringify(echo)
  setTimeout(() => response.writeHead(status).end(size === null ? body : 'x'.repeat(Number(size))), Number(searchParams.get('wait') ?? 0))
}

function echoOf(port: number, request: IncomingMessage): Echo {
  const headers: Record<string, string[]> = {}
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i]!.toLowerCase()
    headers[name] = [...(headers[name] ?? []), request.rawHeaders[i + 1]!]
  }
  const { method = '', url = '/', httpVersion, socket } = request
  return { member: port, method, url, version: httpVersion, headers, from: socket.remoteAddress ?? '', tls: tlsOf(socket as TLSSocket) }
}

function tlsOf(socket: TLSSocket): Echo['tls'] {
  if (socket.encrypted !== true) return null
  const { subject } = socket.getPeerCertificate()
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher().standardName,
    servername: socket.servername ?? false,
    alpn: socket.alpnProtocol ?? false,
    client: subject === undefined ? null : String(subject.CN),
  }
}

/** Answers the PROXY header that the connection began with, as the body of an HTTP answer. */
function answerAfterProxyHeader(socket: Socket): void {
  socket.on('error', () => socket.destroy())
  socket.once('data', (chunk) => {
    const body = JSON.stringify(parseProxyHeader(chunk))
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
  })
}
