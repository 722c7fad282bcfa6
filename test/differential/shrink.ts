/** Makes a sequence that shows a difference as short as it can, within a bounded number of tries. */
import type { Difference, Played } from './play.ts'
import type { Step } from './requests.ts'

const MAX_TRIES = 60

/** In: what plays a sequence, the sequence, and what was found. Out: a shorter sequence that still shows the first difference, and it. */
export async function shrink(
  run: (steps: readonly Step[]) => Promise<Played>,
  steps: readonly Step[],
  found: Difference,
): Promise<{ steps: readonly Step[]; difference: Difference }> {
  const wanted = signature(found)
  let best = { steps: steps.slice(0, found.index + 1), difference: found }
  let tries = 0

  /** Keeps the candidate if it shows the same. */
  async function attempt(candidate: readonly Step[]): Promise<boolean> {
    if (tries++ >= MAX_TRIES) return false
    const { differences } = await run(candidate)
    const difference = differences.find((one) => signature(one) === wanted)
    if (difference === undefined) return false
    best = { steps: candidate.slice(0, difference.index + 1), difference }
    return true
  }

  for (let size = best.steps.length >> 1; size >= 1; size >>= 1) {
    for (let end = best.steps.length - (found.index < steps.length ? 1 : 0); end > 0; end -= size) {
      const start = Math.max(0, end - size)
      await attempt([...best.steps.slice(0, start), ...best.steps.slice(end)])
    }
  }
  for (let index = 0; index < best.steps.length; index++) {
    for (const body of smallerBodies(best.steps[index]!.body)) {
      const step = best.steps[index]
      if (step === undefined) break
      if (await attempt(best.steps.with(index, { ...step, body }))) break
    }
  }
  return best
}

/** Two differences with the same one have, as far as can be told, one cause. */
export function signature({ step, mismatches, theirs, ours }: Difference): string {
  const [first] = mismatches
  const place = first!.at.replace(/\.\d+/g, '')
  return [step.method, kindOf(step.path), place, theirs.status, ours.status].join(' ')
}

function kindOf(path: string): string {
  return path
    .split('?', 1)[0]!
    .replace(/^\/v2(\.0)?(\/lbaas)?/, '')
    .replace(/<[^>]+>|[0-9a-f-]{36}/g, '*')
}

/** Without one of its keys, those within first. */
function* smallerBodies(body: unknown): Generator<unknown> {
  if (Array.isArray(body)) {
    for (const index of body.keys()) {
      yield body.toSpliced(index, 1)
      for (const smaller of smallerBodies(body[index])) yield body.with(index, smaller)
    }
  } else if (typeof body === 'object' && body !== null) {
    for (const [name, value] of Object.entries(body)) {
      const { [name]: _, ...rest } = body as Record<string, unknown>
      if (Object.keys(rest).length > 0) yield rest
      for (const smaller of smallerBodies(value)) yield { ...body, [name]: smaller }
    }
  }
}
