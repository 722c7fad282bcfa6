/** A client that knocks without pause, as the one who waits for it sees it, and what its knocks say. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Client } from './data-plane.ts'
import type { Knock, Knocked, Knocking } from './knocker.ts'

const knocker = fileURLToPath(new URL('knocker.ts', import.meta.url))
/** An answer that takes longer came by a SYN that was sent again. */
const PROMPT_MS = 500
/** Knocks before and after what is measured. */
const QUIET_MS = 300

export type Wish = Pick<Knocking, 'address'> & Partial<Knocking>

/** Knocks while `work` is under way, and a moment before and after it. */
export async function knockDuring(client: Client, wish: Wish, work: () => Promise<void>): Promise<Knocked> {
  const knocking: Knocking = { port: 80, everyMs: 5, kept: 0, keptPauseMs: 20, keptPath: '/', ...wish }
  const child = spawn('nsenter', [`--net=${client.netns}`, process.execPath, knocker, JSON.stringify(knocking)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let printed = ''
  const ended = once(child, 'close')
  // A program takes its time to start, and what happened before its first knock would leave no trace.
  const begun = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      printed += piece
      if (printed.includes('\n')) resolve()
    })
  })
  try {
    await Promise.race([begun, ended])
    await sleep(QUIET_MS)
    await work()
    await sleep(QUIET_MS)
  } finally {
    child.stdin.end()
  }
  await ended
  return JSON.parse(printed.slice(printed.indexOf('\n'))) as Knocked
}

/** Answered without a wait for another SYN. */
export const isPrompt = ({ answeredAfterMs }: Knock) => answeredAfterMs !== null && answeredAfterMs < PROMPT_MS

/** The longest time in which nobody who came was answered without waiting, in milliseconds. */
export function longestGap({ knocks }: Knocked): number {
  const served = knocks.filter(isPrompt).map(({ at }) => at)
  if (served.length === 0) return Number.POSITIVE_INFINITY
  return Math.max(...served.toSorted((a, b) => a - b).map((at, i, all) => at - (all[i - 1] ?? at)))
}

/** Those that never got a connection. */
export function refused({ knocks }: Knocked): Knock[] {
  return knocks.filter(({ connectedAfterMs }) => connectedAfterMs === null)
}

/** Those that got a connection and no answer on it. */
export function unanswered({ knocks }: Knocked): Knock[] {
  return knocks.filter(({ connectedAfterMs, answeredAfterMs }) => connectedAfterMs !== null && answeredAfterMs === null)
}

/** How long those waited who were answered, but not at once; in milliseconds. */
export function delays({ knocks }: Knocked): number[] {
  return knocks.flatMap((one) => (one.answeredAfterMs !== null && !isPrompt(one) ? [one.answeredAfterMs] : []))
}
