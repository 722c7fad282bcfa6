/** Something an operator should know, in words. */
import type { Config } from '../config/config.ts'
import type { Db } from '../db/connection.ts'

export interface Trouble {
  /** error: something does not work, or soon will not; warning: it works, but not as it should. */
  level: 'error' | 'warning'
  /** A word per kind, for those who count or filter. */
  kind: string
  /** What it is about: an id, a role, a file; null where there is none. */
  about: string | null
  says: string
  /** A command that shows more or mends it; null where waiting or the text itself is the advice. */
  type: string | null
}

export interface Look {
  readonly db: Db
  readonly config: Config
  readonly nowMs: number
}

/** Looks at one kind of thing. */
export type Check = (look: Look) => Promise<Trouble[]>

/** Of one kind so many are told one by one; of more than that, that there are more. */
export const MAX_TOLD = 20

/** In: one row more than is told, if there are as many. */
export function tellEach<R>(rows: readonly R[], kind: string, tell: (row: R) => Omit<Trouble, 'kind'>): Trouble[] {
  const told = rows.slice(0, MAX_TOLD).map((row): Trouble => ({ kind, ...tell(row) }))
  if (rows.length <= MAX_TOLD) return told
  return [...told, { kind, level: told[0]!.level, about: null, says: `And there are more of these than ${MAX_TOLD}.`, type: null }]
}

/** `3 s`, `25 min`, `7 h`, `4 days`: as much as somebody reads at a glance. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`
}
