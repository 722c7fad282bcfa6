/** An amphora in QEMU, without KVM and without any network but the bridges of the tests' sandbox. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { exec } from '../../src/lib/exec.ts'
import { eventually } from '../support/eventually.ts'

const MEMORY_MIB = 512
const CONTROL_TIMEOUT_MS = 20_000
const LONGEST_COMMAND_MS = 30_000
const EXPRESS_PORT = 'port1'

/** QEMU's own: an IDE controller, or AHCI and PCI Express. Nova's config drive is on either. */
export type Chipset = 'pc' | 'q35'

export interface Card {
  bridge: string
  mac: string
}

export class VirtualMachine {
  private readonly directory: string
  private readonly chipset: Chipset
  private readonly taps: string[] = []
  private qemu: ChildProcess | undefined
  private control: Control | undefined

  /** Boots the image, which stays as it is, with a config drive and these network cards. `directory` is for its own files. */
  static async boot(
    directory: string,
    { image, configDrive, cards, chipset = 'pc' }: { image: string; configDrive: string; cards: Card[]; chipset?: Chipset },
  ): Promise<VirtualMachine> {
    const machine = new VirtualMachine(directory, chipset)
    try {
      await machine.start({ image, configDrive, cards })
    } catch (error) {
      await machine.close()
      throw error
    }
    return machine
  }

  private constructor(directory: string, chipset: Chipset) {
    this.directory = directory
    this.chipset = chipset
  }

  private async start({ image, configDrive, cards }: { image: string; configDrive: string; cards: Card[] }): Promise<void> {
    const { directory, chipset } = this
    const drive = join(directory, 'config-drive.iso')
    await exec('xorriso', ['-as', 'genisoimage', '-quiet', '-J', '-R', '-V', 'config-2', '-o', drive, configDrive])
    const cardArgs: string[] = []
    for (const { bridge, mac } of cards) {
      const { number, tap } = await this.nextTap(bridge)
      const netdev = `tap,id=n${number},ifname=${tap},script=no,downscript=no`
      cardArgs.push('-netdev', netdev, '-device', `virtio-net-pci,netdev=n${number},mac=${mac},romfile=`)
    }
    const args = [
      ...['-nodefaults', '-no-user-config', '-machine', chipset, '-accel', 'tcg', '-cpu', 'Nehalem', '-m', String(MEMORY_MIB)],
      ...['-display', 'none', '-serial', `file:${join(directory, 'console.log')}`],
      ...['-qmp', `unix:${join(directory, 'qmp')},server=on,wait=off`, '-device', 'virtio-rng-pci'],
      ...['-drive', `file=${image},if=none,id=disk,format=qcow2,snapshot=on,cache=unsafe`, '-device', 'virtio-blk-pci,drive=disk'],
      ...['-drive', `file=${drive},if=none,id=config,format=raw,readonly=on`, '-device', 'ide-cd,drive=config'],
      ...cardArgs,
      // On PCI Express a card can be plugged into a port only; Nova gives machines some.
      ...(chipset === 'q35' ? ['-device', `pcie-root-port,id=${EXPRESS_PORT},chassis=1`] : []),
    ]
    this.qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'inherit', 'inherit'] })
    this.control = await Control.open(join(directory, 'qmp'))
  }

  /** As Nova does when a port is attached. */
  async plug({ bridge, mac }: Card): Promise<void> {
    const { number, tap } = await this.nextTap(bridge)
    const bus = this.chipset === 'q35' ? { bus: EXPRESS_PORT } : {}
    await this.control!.run('netdev_add', { type: 'tap', id: `n${number}`, ifname: tap, script: 'no', downscript: 'no' })
    await this.control!.run('device_add', { driver: 'virtio-net-pci', netdev: `n${number}`, id: `card${number}`, mac, romfile: '', ...bus })
  }

  private async nextTap(bridge: string): Promise<{ number: number; tap: string }> {
    const number = this.taps.length
    const tap = `tap${number}`
    await exec('ip', ['tuntap', 'add', tap, 'mode', 'tap'])
    this.taps.push(tap)
    await exec('ip', ['link', 'set', tap, 'master', bridge, 'up'])
    return { number, tap }
  }

  /** As a user does who restarts it in Nova. */
  async reset(): Promise<void> {
    await this.control!.run('system_reset', {})
  }

  /** What it has written to its serial console. */
  console(): string {
    const path = join(this.directory, 'console.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  async close(): Promise<void> {
    this.control?.close()
    const { qemu } = this
    if (qemu?.exitCode === null) {
      const ended = new Promise((resolve) => qemu.once('exit', resolve))
      qemu.kill('SIGKILL')
      await ended
    }
    for (const tap of this.taps) await exec('ip', ['link', 'delete', tap])
  }
}

/** QEMU's machine protocol: a JSON object a line, answers in order of the commands, events in between. */
class Control {
  private readonly socket: Socket
  private readonly waiting: { resolve(): void; reject(error: Error): void }[] = []

  static async open(path: string): Promise<Control> {
    await eventually(() => existsSync(path), CONTROL_TIMEOUT_MS)
    const socket = createConnection(path)
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const control = new Control(socket)
    await control.run('qmp_capabilities', {})
    return control
  }

  private constructor(socket: Socket) {
    this.socket = socket
    createInterface({ input: socket }).on('line', (line) => {
      const message = JSON.parse(line) as { return?: object; error?: { desc: string } }
      if (message.error !== undefined) this.waiting.shift()?.reject(new Error(`QEMU: ${message.error.desc}`))
      else if (message.return !== undefined) this.waiting.shift()?.resolve()
    })
  }

  async run(execute: string, args: object): Promise<void> {
    const answered = new Promise<void>((resolve, reject) => this.waiting.push({ resolve, reject }))
    this.socket.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    const timer = setTimeout(() => this.socket.destroy(new Error(`QEMU gave no answer to ${execute}`)), LONGEST_COMMAND_MS)
    await answered.finally(() => clearTimeout(timer))
  }

  close(): void {
    this.socket.destroy()
  }
}
