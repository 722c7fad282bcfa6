/** The load generator as tests use it. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Client } from '../netns/support/data-plane.ts'
import { eventually } from '../support/eventually.ts'
import type { Target } from './load-generator.ts'
import { type LoadReport, lossKinds } from './outcomes.ts'

const generator = fileURLToPath(new URL('load-generator.ts', import.meta.url))

export interface Load {
  /** Resolves when so many more requests have ended. */
  more(requests: number): Promise<void>
  stop(): Promise<LoadReport>
  /** At once, without a report; content when it has been stopped. */
  abort(): void
}

const MORE_WITHIN_MS = 60_000

/** A load from a client's network, until it is stopped. */
export function startLoad(client: Client, targets: Target[]): Load {
  const args = [`--net=${client.netns}`, process.execPath, generator, JSON.stringify(targets)]
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  let last = '0'
  const ended = new Promise<void>((resolve) => {
    const lines = createInterface({ input: child.stdout })
    lines.on('line', (line) => {
      last = line
    })
    lines.on('close', resolve)
  })
  return {
    async more(requests) {
      const wanted = Number(last) + requests
      await eventually(() => Number(last) >= wanted, MORE_WITHIN_MS)
    },
    async stop() {
      child.stdin.end()
      await ended
      return JSON.parse(last) as LoadReport
    },
    abort: () => void child.kill('SIGKILL'),
  }
}

export function lostOf({ lost }: LoadReport): number {
  return lossKinds.reduce((sum, kind) => sum + lost[kind], 0)
}
