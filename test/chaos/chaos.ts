/** Chaos: load balancers are changed and used while what runs them is killed and frozen at random; then all has to be as it says it is. */
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../support/random.ts'
import { type Counts, changeAll, useAll } from './clients.ts'
import { inventory, judge, type Verdict } from './judge.ts'
import { Several } from './several.ts'
import { pick, strikes } from './strikes.ts'

/** Between the ends and beginnings of strikes, at most. */
const LONGEST_PEACE_MS = 3_000
/** Strikes at the same time. */
const HANDS = 2
const CLIENTS = 4

export interface ChaosOptions {
  seconds: number
  loadBalancers: number
  controllers: number
  seed: number
  portBase: number
  say(line: string): void
}

export interface ChaosReport extends Verdict {
  counts: Counts
  struck: Map<string, number>
  restarts: number
}

/** Undefined where no PostgreSQL is installed. */
export async function chaos({ seconds, loadBalancers, controllers, seed, portBase, say }: ChaosOptions): Promise<ChaosReport | undefined> {
  const cloud = await Several.start({ controllers, portBase })
  if (cloud === undefined) return undefined
  try {
    const before = await inventory(cloud)
    const counts: Counts = { changes: new Map(), unexpected: [], requests: 0, lost: 0 }
    const struck = new Map<string, number>()
    const ending = new AbortController()
    const { signal } = ending
    const work = Array.from({ length: CLIENTS }, (_, client) =>
      changeAll(cloud, { wanted: loadBalancers, random: seededRandom(seed + 100 + client), signal, counts }),
    )
    say(`making ${loadBalancers} load balancers`)
    while ((await numberMade(cloud)) < loadBalancers / 2) await sleep(500)
    const use = useAll(cloud, { random: seededRandom(seed + 1), signal, counts })
    say('chaos begins')
    const until = performance.now() + seconds * 1_000
    await Promise.all(Array.from({ length: HANDS }, (_, hand) => strike(seededRandom(seed + 10 + hand))))
    say('chaos ends')
    ending.abort()
    await Promise.all([...work, use])
    return { ...(await judge(cloud, before)), counts, struck, restarts: cloud.restarts }

    async function strike(random: () => number): Promise<void> {
      while (performance.now() < until) {
        await sleep(random() * LONGEST_PEACE_MS)
        const name = pick(Object.keys(strikes), random)
        const victim = await cloud!.striking(name, () => strikes[name]!(cloud!, random)).catch((error: Error) => `failed: ${error.message}`)
        if (victim === null) continue
        struck.set(name, (struck.get(name) ?? 0) + 1)
        say(`  ${name}: ${victim}`)
      }
    }
  } finally {
    await cloud.stop()
  }
}

/** Of load balancers whose creation is over, whatever is done to them since. */
async function numberMade({ db }: Several): Promise<number> {
  const made = db.selectFrom('load_balancer').select('id').where('provisioning_status', '!=', 'PENDING_CREATE')
  return (await made.execute()).length
}
