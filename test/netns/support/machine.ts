import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { EmbeddedNetwork } from '../../../src/embedded/network/service.ts'
import type { PortRow } from '../../../src/embedded/network/tables.ts'
import { exec } from '../../../src/lib/exec.ts'
import { parseCidr } from '../../../src/lib/ip.ts'
import type { Order } from './probe.ts'

/** Long enough for anything on one machine; what is dropped costs a test this long. */
const TIMEOUT_MS = 600
const probe = fileURLToPath(new URL('./probe.ts', import.meta.url))

/** A namespace with one port as eth0, and a process in it that serves and asks. */
export class Machine {
  readonly name: string
  readonly port: PortRow
  #probe: ChildProcess | undefined
  readonly #waiting = new Map<number, (result: unknown) => void>()
  #orders = 0

  private constructor(name: string, port: PortRow) {
    this.name = name
    this.port = port
  }

  static async plugged(service: EmbeddedNetwork, name: string, port: PortRow): Promise<Machine> {
    await exec('ip', ['netns', 'add', name])
    const machine = new Machine(name, port)
    await service.attachPort(port.id, { netnsPath: `/run/netns/${name}`, ifname: 'eth0' })
    const addresses = await Promise.all(
      port.fixed_ips.map(async ({ subnet_id, ip_address }) => {
        const { prefix } = parseCidr((await service.getSubnet(subnet_id)).cidr)!
        return `addr add ${ip_address}/${prefix} dev eth0${ip_address.includes(':') ? ' nodad' : ''}`
      }),
    )
    await machine.ip('link set lo up', 'link set eth0 up', ...addresses)
    return machine
  }

  /** Its address of this family. */
  address(version: 4 | 6 = 4): string {
    return this.port.fixed_ips.find(({ ip_address }) => ip_address.includes(':') === (version === 6))!.ip_address
  }

  async ip(...commands: string[]): Promise<void> {
    await exec('ip', ['-n', this.name, '-batch', '-'], { input: `${commands.join('\n')}\n` })
  }

  /** Whether an answer came. */
  async pings(address: string, ...options: string[]): Promise<boolean> {
    const args = ['netns', 'exec', this.name, 'ping', '-q', '-c', '1', '-W', '0.5', ...options, address]
    return (await exec('ip', args, { anyStatus: true })).code === 0
  }

  async serves(protocol: 'tcp' | 'udp', port: number): Promise<void> {
    await this.#order({ does: 'serve', protocol, port })
  }

  /** The greeting of the server there, null if none came. */
  async asks(protocol: 'tcp' | 'udp', address: string, port: number, from?: number): Promise<string | null> {
    return (await this.#order({ does: 'ask', protocol, address, port, from, timeoutMs: TIMEOUT_MS })) as string | null
  }

  async close(): Promise<void> {
    this.#probe?.kill('SIGKILL')
    await exec('ip', ['netns', 'del', this.name], { anyStatus: true })
  }

  #order(order: Order): Promise<unknown> {
    this.#probe ??= this.#start()
    const id = ++this.#orders
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#probe!.stdin!.write(`${JSON.stringify({ id, order })}\n`)
    })
  }

  #start(): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name, process.execPath, probe], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { id, result } = JSON.parse(line) as { id: number; result: unknown }
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
    return child
  }
}
