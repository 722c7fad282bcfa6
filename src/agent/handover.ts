/**
 * Before a planned replacement the clients of this amphora are let go, in three steps: they are asked to close after their answers, and may come back;
 * then nobody new is let in, while the answers under way are finished; then keepalived tells its peer to take the VIPs. Who comes in between is
 * not refused: his system asks again a second later, and finds the peer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { exec } from '../lib/exec.ts'
import type { Haproxies } from './haproxies.ts'
import { inNamespaceArguments } from './ip-command.ts'
import type { Keepalived } from './keepalived.ts'
import type { AgentLog } from './log.ts'
import { Serial } from './serial.ts'

const POLL_MS = 10
/** What most answers need, after the door is closed. */
const FIRST_WAIT_MS = 30
/** For those who are still there then, after they were asked once more (HTTP/2 keeps its connection, and TCP does not understand). */
const LAST_WAIT_MS = 250
/** The door opens by itself, should nobody take the ports away. */
const CLOSED_SECONDS = 2
/** Where the HAProxies of a pair speak to each other; they go on to. */
const PEER_PORT = 1025
const TABLE = 'inet ottavia_handover'

export interface HandoverWish {
  drain_seconds: number
  release_vips: boolean
}

export class Handover {
  private readonly namespace: string
  private readonly haproxies: Haproxies
  private readonly keepalived: Keepalived
  private readonly log: AgentLog
  private readonly serial = new Serial()

  constructor(namespace: string, haproxies: Haproxies, keepalived: Keepalived, log: AgentLog) {
    this.namespace = namespace
    this.haproxies = haproxies
    this.keepalived = keepalived
    this.log = log
  }

  /** A repeated call finds nobody left, and ends soon. Answers how many connections of HAProxy's clients were cut. */
  run({ drain_seconds, release_vips }: HandoverWish): Promise<{ connections_left: number }> {
    return this.serial.run(async () => {
      if (drain_seconds > 0) {
        await this.haproxies.askToLeave()
        await this.until(async () => !(await this.haproxies.haveOldWorkers()), drain_seconds * 1_000)
      }
      await this.closeDoor()
      const isEmpty = async () => (await this.haproxies.countConnections()) === 0
      if (!(await this.until(isEmpty, FIRST_WAIT_MS))) {
        await this.haproxies.askToLeave()
        await this.until(isEmpty, LAST_WAIT_MS)
      }
      const connections_left = await this.haproxies.countConnections()
      if (release_vips && this.keepalived.isRunning()) await this.keepalived.stop()
      this.log.info(`handed over; ${connections_left} connections were left`)
      return { connections_left }
    })
  }

  private async closeDoor(): Promise<void> {
    const script = `table ${TABLE} {}
delete table ${TABLE}
table ${TABLE} {
  set closed { type inet_proto; flags timeout; elements = { tcp timeout ${CLOSED_SECONDS}s } }
  chain input {
    type filter hook input priority -20; policy accept;
    iifname "eth1" tcp dport != ${PEER_PORT} tcp flags & (fin | syn | rst | ack) == syn meta l4proto @closed drop
  }
}
`
    const [command, args] = inNamespaceArguments(this.namespace, 'nft', ['-f', '-'])
    await exec(command, args, { input: script })
  }

  private async until(holds: () => Promise<boolean>, limitMs: number): Promise<boolean> {
    const deadline = performance.now() + limitMs
    while (!(await holds())) {
      if (performance.now() > deadline) return false
      await sleep(POLL_MS)
    }
    return true
  }
}
