/** A server that answers each datagram with its name, on an address of either family; killed to fall, started again to rise. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { exec } from '../../../src/lib/exec.ts'
import type { AgentStage } from './agent-stage.ts'

export const UDP_PORT = 5353

export class UdpMember {
  readonly name: string
  readonly address: string
  readonly addressIpv6: string
  private child: ChildProcess | undefined

  private constructor(name: string, number: number) {
    this.name = name
    this.address = `10.0.0.${number}`
    this.addressIpv6 = `fd00:5::${number}`
  }

  static async open(stage: AgentStage, name: string, number: number): Promise<UdpMember> {
    const member = new UdpMember(name, number)
    await stage.namespace(name, 'tenant', `${member.address}/24`)
    await exec('ip', ['-netns', name, 'address', 'add', `${member.addressIpv6}/64`, 'dev', 'eth0', 'nodad'])
    await member.start()
    return member
  }

  /** Resolves when it listens: by UDP, and with a TCP port and a web server beside it for checks. */
  async start(): Promise<void> {
    const program = `
      const socket = require('node:dgram').createSocket({ type: 'udp6' })
      socket.on('message', (_, { port, address }) => socket.send('${this.name}', port, address))
      const web = require('node:http').createServer((request, response) => {
        response.statusCode = request.url === '/well' && request.method === 'HEAD' && request.headers.host === 'www.example.com' ? 204 : 500
        response.end()
      })
      socket.bind(${UDP_PORT}, '::', () => web.listen(${UDP_PORT}, '::', () => console.log('listens')))`
    const child = spawn('nsenter', [`--net=/run/netns/${this.name}`, process.execPath, '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.child = child
    await new Promise((resolve) => child.stdout!.once('data', resolve))
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.child?.once('exit', resolve))
    this.child?.kill('SIGKILL')
    await ended
  }
}

/** A socket of one source and port: what it sends to one VIP is one connection to the balancer. */
export class UdpClient {
  private readonly socket: Socket
  private readonly to: { address: string; port: number }

  private constructor(socket: Socket, to: { address: string; port: number }) {
    this.socket = socket
    this.to = to
  }

  static async open(to: { address: string; port: number }, from?: string): Promise<UdpClient> {
    const socket = createSocket(to.address.includes(':') ? 'udp6' : 'udp4')
    await new Promise<void>((bound) => socket.bind({ address: from, exclusive: true }, bound))
    await new Promise<void>((connected) => socket.connect(to.port, to.address, connected))
    return new UdpClient(socket, to)
  }

  /** The name of the member that answers. Rejects when nobody does, or the balancer says that nobody will. */
  ask(timeoutMs = 1_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const end = (use: () => void) => {
        clearTimeout(timer)
        this.socket.removeAllListeners('message')
        this.socket.removeAllListeners('error')
        this.socket.on('error', () => {})
        use()
      }
      const timer = setTimeout(() => end(() => reject(new Error(`no answer from ${this.to.address} within ${timeoutMs} ms`))), timeoutMs)
      this.socket.on('message', (message) => end(() => resolve(message.toString())))
      this.socket.on('error', (error) => end(() => reject(error)))
      this.socket.send('who?')
    })
  }

  close(): void {
    this.socket.close()
  }
}
