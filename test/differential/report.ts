import type { Difference } from './play.ts'
import type { Step } from './requests.ts'

const MAX_BODY = 600
const MAX_MISMATCHES = 8

/** The requests that lead to it, both answers, and where they differ; as lines of text. In: the seed of the sequence it was found in. */
export function shownDifference(seed: number, steps: readonly Step[], { theirs, ours, mismatches, request }: Difference): string {
  const lines = [`sequence ${seed}`]
  for (const { method, path, body, isSettled } of steps) {
    const sent = body === undefined || typeof body === 'string' ? (body ?? '') : JSON.stringify(body)
    lines.push(`   ${method} ${path} ${sent}${isSettled === false ? '  (the worker waits)' : ''}`)
  }
  lines.push(`   asked:   ${request.method} ${request.path} ${request.body ?? ''}`)
  lines.push(`   Octavia: ${theirs.status} ${theirs.text.slice(0, MAX_BODY)}`)
  lines.push(`   Ottavia: ${ours.status} ${ours.text.slice(0, MAX_BODY)}`)
  for (const { at, theirs, ours } of mismatches.slice(0, MAX_MISMATCHES)) lines.push(`     ${at}: ${shown(theirs)} / ${shown(ours)}`)
  return lines.join('\n')
}

function shown(value: unknown): string {
  return typeof value === 'symbol' ? '(absent)' : (JSON.stringify(value)?.slice(0, 200) ?? 'undefined')
}
