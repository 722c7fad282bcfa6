/** Plays sequences until so many requests were compared, with a new oracle before the old one ends by itself. */

import { rm } from 'node:fs/promises'
import { makeCertificates } from './certificates.ts'
import { sequence } from './generate.ts'
import { type Oracle, startOracle } from './oracle.ts'
import { startOttavia } from './ottavia.ts'
import { type Played, play, type Servers } from './play.ts'
import type { Step } from './requests.ts'

/** The oracle lives half an hour. */
const ORACLE_LIFETIME_MS = 20 * 60_000

export interface Session {
  play(steps: readonly Step[]): Promise<Played>
  stop(): Promise<void>
}

export async function openSession(): Promise<Session> {
  const certificates = await makeCertificates()
  const ottavia = await startOttavia(certificates)
  let oracle: Oracle | undefined
  let until = 0
  return {
    async play(steps) {
      if (performance.now() >= until) {
        await oracle?.stop()
        oracle = await startOracle(certificates)
        until = performance.now() + ORACLE_LIFETIME_MS
      }
      const servers: Servers = { oracle: oracle!, ottavia }
      return play(servers, steps)
    },
    async stop() {
      await oracle?.stop()
      await ottavia.stop()
      await rm(certificates, { recursive: true })
    },
  }
}

export interface Outcome {
  steps: Step[]
  seed: number
  played: Played
}

/** The sequences of a seed, played until `cases` requests were compared or the time is over. */
export async function* playSequences(
  session: Session,
  seed: number,
  cases: number,
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<Outcome> {
  for (let number = 0, compared = 0; compared < cases && performance.now() < until; number++) {
    const own = (seed * 1_000_003 + number) | 0
    const steps = sequence(own)
    const played = await session.play(steps)
    compared += played.cases
    yield { steps, seed: own, played }
  }
}
