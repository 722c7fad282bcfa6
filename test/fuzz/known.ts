/** Objects that were seen in answers, so that requests are about something. */
import type { Dice } from './dice.ts'

/** Older ones are forgotten; they are gone more often than not. */
const MAX_PER_KIND = 100

type Made = { id: string }
type Tree = Made & {
  listeners: (Made & { l7policies: (Made & { rules: Made[] })[] })[]
  pools: (Made & { healthmonitor: Made | null; members: Made[] })[]
}

export class Known {
  /** By pattern, whose parameters are nameless: `/v2/lbaas/pools/:/members/:`. */
  readonly #paths = new Map<string, string[]>()

  add(pattern: string, path: string): void {
    const paths = this.#paths.get(pattern) ?? []
    this.#paths.set(pattern, paths)
    if (paths.includes(path)) return
    paths.push(path)
    if (paths.length > MAX_PER_KIND) paths.shift()
  }

  /** The path of an object whose pattern this is; undefined when none was seen. */
  path(pattern: string, dice: Dice): string | undefined {
    const paths = this.#paths.get(pattern)
    return paths === undefined || paths.length === 0 ? undefined : dice.pick(paths)
  }

  /** The id of an object of that collection. */
  idOf(collection: string, dice: Dice): string | undefined {
    return this.path(`/v2/lbaas/${collection}/:`, dice)?.split('/').at(-1)
  }

  forget(path: string): void {
    const paths = this.#paths.get(patternOf(path)) ?? []
    const at = paths.indexOf(path)
    if (at >= 0) paths.splice(at, 1)
  }

  /** Remembers a load balancer that was made with all its children. */
  learnTree({ id, listeners, pools }: Tree): void {
    const add = (collection: string, child: { id: string }) => this.add(`${patternOf(collection)}/:`, `${collection}/${child.id}`)
    add('/v2/lbaas/loadbalancers', { id })
    for (const listener of listeners) {
      add('/v2/lbaas/listeners', listener)
      for (const l7policy of listener.l7policies) {
        add('/v2/lbaas/l7policies', l7policy)
        for (const rule of l7policy.rules) add(`/v2/lbaas/l7policies/${l7policy.id}/rules`, rule)
      }
    }
    for (const pool of pools) {
      add('/v2/lbaas/pools', pool)
      if (pool.healthmonitor) add('/v2/lbaas/healthmonitors', pool.healthmonitor)
      for (const member of pool.members) add(`/v2/lbaas/pools/${pool.id}/members`, member)
    }
  }

  /** Remembers what an answer shows: what was made below `path`, or a list's objects. */
  learn(path: string, body: unknown): void {
    if (typeof body !== 'object' || body === null) return
    const [collection] = path.split('?', 1)
    for (const [name, value] of Object.entries(body)) {
      const shown = Array.isArray(value) ? value : [value]
      const isList = Array.isArray(value) && collection!.endsWith(`/${name}`)
      const isMade = !Array.isArray(value) && collection!.split('/').length % 2 === 0
      if (!isList && !isMade) continue
      for (const object of shown as { id?: unknown; name?: unknown }[]) {
        const key = collection!.endsWith('/availabilityzones') ? object?.name : object?.id
        if (typeof key !== 'string' || key === '') continue
        this.add(`${patternOf(collection!)}/:`, `${collection}/${encodeURIComponent(key)}`)
      }
    }
  }
}

/** A collection's path with every second name after `/v2/lbaas` replaced. */
export function patternOf(collection: string): string {
  return collection
    .split('/')
    .map((part, index) => (index >= 4 && index % 2 === 0 ? ':' : part))
    .join('/')
}
