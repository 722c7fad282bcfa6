/** TLS before each service of a real OpenStack: HAProxy, each with a certificate of a CA of its own, one of which asks for its clients' certificates. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aCertificate } from './certificates.ts'
import { eventually } from './eventually.ts'
import { freePorts } from './free-ports.ts'
import { type ServiceType, services } from './openstack-cloud.ts'

/** Who has no certificate of ours gets no connection there. */
export const MUTUAL: ServiceType = 'network'
const types = Object.keys(services) as ServiceType[]

export interface TlsProxies {
  /** Without a service's version. */
  urls: Record<ServiceType, string>
  /** Files with the CA of each. */
  cas: Record<ServiceType, string>
  /** Files of what is shown to the service that asks for it. */
  client: { certificate: string; key: string }
  stop(): Promise<void>
}

export async function startTlsProxies(): Promise<TlsProxies> {
  const directory = mkdtempSync(join(tmpdir(), 'tls-proxies-'))
  const write = (name: string, text: string) => {
    const file = join(directory, name)
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const clients = await aCertificate({ name: 'the CA of clients', isAuthority: true })
  const client = await aCertificate({ name: 'octavia', issuer: clients })
  const clientCa = write('clients.pem', clients.certificate)
  const ports = await freePorts(types.length)
  const sections: string[] = []
  const cas: Partial<Record<ServiceType, string>> = {}
  for (const [index, type] of types.entries()) {
    const authority = await aCertificate({ name: `the CA of ${type}`, isAuthority: true })
    const { certificate, private_key } = await aCertificate({ name: 'localhost', issuer: authority })
    cas[type] = write(`${type}-ca.pem`, authority.certificate)
    const crt = write(`${type}.pem`, certificate + private_key)
    const verify = type === MUTUAL ? ` verify required ca-file ${clientCa}` : ''
    const { host } = new URL(services[type])
    sections.push(`listen ${type}`, ` bind 127.0.0.1:${ports[index]} ssl crt ${crt}${verify}`, ` server real ${host}`)
  }
  const defaults = ['defaults', ' mode http', ' timeout connect 5s', ' timeout client 120s', ' timeout server 120s']
  const configuration = write('haproxy.cfg', [...defaults, ...sections, ''].join('\n'))
  const child = spawn('haproxy', ['-db', '-f', configuration], { stdio: ['ignore', 'ignore', 'inherit'] })
  await eventually(() => listens(ports.at(-1)!))
  return {
    urls: Object.fromEntries(types.map((type, index) => [type, `https://localhost:${ports[index]}`])) as TlsProxies['urls'],
    cas: cas as TlsProxies['cas'],
    client: { certificate: write('client.pem', client.certificate), key: write('client.key', client.private_key) },
    async stop() {
      await end(child)
      rmSync(directory, { recursive: true })
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}

function listens(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })
}
