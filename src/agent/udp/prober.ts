/** The agent's side of the process that checks members (probe-process.ts): started with the first check, ended when there are none to do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { inNamespaceArguments } from '../ip-command.ts'
import type { AgentLog } from '../log.ts'
import type { Check } from './lvs-file.ts'
import type { ProbeOrder, ProbeResult } from './probe-process.ts'
import { PROBE_VARIABLE } from './probe-variable.ts'

/** Checks under way at once; further ones wait. */
const MOST_AT_ONCE = 256
/** A result is this late at most, or the process is not what it was. */
const LATEST_MS = 5_000
/** It does little: its heap need not grow to what Node takes by default. */
const NODE_FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1']

/** `unknown`: the check could not be done, which says nothing about the member. */
export type Verdict = 'well' | 'unknown' | { failure: string }

interface Waiting {
  check: Check
  told: (verdict: Verdict) => void
}

export class Prober {
  private readonly namespace: string
  private readonly log: AgentLog
  private child: ChildProcess | undefined
  private number = 0
  private readonly queue: Waiting[] = []
  private readonly running = new Map<number, { told: (verdict: Verdict) => void; timer: NodeJS.Timeout }>()

  constructor(namespace: string, log: AgentLog) {
    this.namespace = namespace
    this.log = log
  }

  check(check: Check): Promise<Verdict> {
    return new Promise((told) => {
      this.queue.push({ check, told })
      this.next()
    })
  }

  /** Ends the process; checks that are waiting or under way are `unknown`. */
  stop(): void {
    for (const { told } of this.queue.splice(0)) told('unknown')
    this.child?.stdin?.end()
    this.forget()
  }

  private next(): void {
    while (this.running.size < MOST_AT_ONCE) {
      const waiting = this.queue.shift()
      if (waiting === undefined) return
      this.child ??= this.start()
      const number = this.number++
      const timer = setTimeout(() => this.child?.kill('SIGKILL'), waiting.check.timeoutMs + LATEST_MS)
      this.running.set(number, { told: waiting.told, timer })
      this.child.stdin!.write(`${JSON.stringify({ number, check: waiting.check } satisfies ProbeOrder)}\n`)
    }
  }

  private start(): ChildProcess {
    // The same program again, up to its options.
    const end = process.argv.indexOf('--config-file')
    const program = [...NODE_FLAGS, ...process.argv.slice(1, end < 0 ? undefined : end)]
    const [command, args] = inNamespaceArguments(this.namespace, process.execPath, [...program, '--config-file', '-'])
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, [PROBE_VARIABLE]: '1' } })
    this.log.info(`the process that checks members is ${child.pid}`)
    let text = ''
    child.stdout!.setEncoding('utf8')
    child.stdout!.on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n')
      text = lines.pop()!
      for (const line of lines) this.told(JSON.parse(line) as ProbeResult)
    })
    // Its end tells all that its pipes could.
    child.stdin!.on('error', () => {})
    const ended = (why: string) => {
      if (this.child !== child) return
      this.log.error(`the process that checks members ended: ${why}`)
      this.forget()
    }
    child.on('error', (error) => ended(error.message))
    child.on('exit', (code, signal) => ended(signal ?? `status ${code}`))
    return child
  }

  private told({ number, failure }: ProbeResult): void {
    const order = this.running.get(number)
    if (order === undefined) return
    clearTimeout(order.timer)
    this.running.delete(number)
    order.told(failure === null ? 'well' : { failure })
    this.next()
  }

  private forget(): void {
    this.child = undefined
    for (const [number, { told, timer }] of this.running) {
      clearTimeout(timer)
      this.running.delete(number)
      told('unknown')
    }
  }
}
