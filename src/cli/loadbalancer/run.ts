/** Carries out a command of the table: looks names up, asks the service, prints. */
import { ConnectionError, each, Fault, type LoadBalancing, WaitError, waitForActive, waitForDeleted } from '../../client/index.ts'
import type { Typed, Verb } from './commander.ts'
import { idOf, isUuid, LookUpError } from './look-ups.ts'
import { operations, type Shown } from './operations.ts'
import { type Printed, printMany, printOne } from './print.ts'
import { openSession, type Session, SessionError } from './session.ts'
import { type Noun, type Option, type SpecialName, specials } from './table.ts'
import { fieldsOf, ValueError } from './values.ts'

export function runVerb(noun: Noun, verb: Verb, typed: Typed): Promise<void> {
  return running((session) => verbs[verb](session, noun, typed))
}

export function runSpecial(name: SpecialName, typed: Typed): Promise<void> {
  return running((session) => special[name](session, typed))
}

const print = (text: string) => process.stdout.write(`${text}\n`)

/** What goes wrong for a reason that the user can see is told in a line; the process's status is then 1. */
async function running(work: (session: Session) => Promise<void>): Promise<void> {
  try {
    await work(await openSession(process.env))
  } catch (error) {
    const isTold = [Fault, ConnectionError, WaitError, SessionError, LookUpError, ValueError].some((kind) => error instanceof kind)
    if (!isTold) throw error
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

type Run = (session: Session, noun: Noun, typed: Typed) => Promise<void>

const verbs: Record<Verb, Run> = {
  async create(session, noun, typed) {
    const { client } = session
    const place = typed.arguments[0] ?? ''
    const parent = noun.parent ? await idOf(session, noun.parent, place) : ''
    const body: Record<string, unknown> = await fieldsOf(session, noun.create!, typed.options)
    if (noun.createdIn) body[noun.createdIn.field] = await idOf(session, noun.createdIn.noun, place)
    if (typed.options.tag !== undefined) body.tags = typed.options.tag
    const { create, get, loadBalancerOf } = operations[noun.name]
    let object = (await create!(client, body as never, parent)) as Shown
    if (typed.options.wait) {
      const id = await loadBalancerOf!(client, object as never, parent)
      await waitForActive(() => client.getLoadBalancer(id))
      object = (await get(client, object.id as string, parent)) as Shown
    }
    print(printOne(rowsOf(noun, object), object, printedAs(typed)))
  },

  async list(session, noun, typed) {
    const parent = noun.parent ? await idOf(session, noun.parent, typed.arguments[0]!) : ''
    const filters = { ...(await fieldsOf(session, noun.list, typed.options)), ...tagFiltersOf(typed) }
    const objects: Shown[] = []
    const list = (page: object) => operations[noun.name].list(session.client, { ...filters, ...page } as never, parent)
    for await (const object of each(list)) objects.push(object as Shown)
    const columns = typed.options.long ? noun.longColumns! : noun.columns
    print(printMany(columns, objects, printedAs(typed)))
  },

  async show(session, noun, typed) {
    const object = await found(session, noun, typed)
    print(printOne(rowsOf(noun, object), object, printedAs(typed)))
  },

  async set(session, noun, typed) {
    const { id, parent } = await placeOf(session, noun, typed)
    const body: Record<string, unknown> = await fieldsOf(session, noun.set!, typed.options)
    const { tag, 'no-tag': noTag } = typed.options as { tag?: string[]; 'no-tag'?: true }
    if (tag !== undefined) body.tags = [...new Set([...(noTag ? [] : await tagsOf(session.client, noun, id, parent)), ...tag])]
    else if (noTag) body.tags = []
    await change(session, noun, { id, parent }, body, typed)
  },

  async unset(session, noun, typed) {
    const body: Record<string, unknown> = await fieldsOf(session, noun.unset!, typed.options)
    const { tag, 'all-tag': allTag } = typed.options as { tag?: string[]; 'all-tag'?: true }
    if (Object.keys(body).length === 0 && tag === undefined && !allTag) return
    const { id, parent } = await placeOf(session, noun, typed)
    if (allTag) body.tags = []
    else if (tag !== undefined) body.tags = (await tagsOf(session.client, noun, id, parent)).filter((one) => !tag.includes(one))
    await change(session, noun, { id, parent }, body, typed)
  },

  async delete(session, noun, typed) {
    const { client } = session
    const { id, parent } = await placeOf(session, noun, typed)
    await operations[noun.name].delete!(client, id, (await fieldsOf(session, noun.delete!, typed.options)) as never, parent)
    if (typed.options.wait) await waitForDeleted(() => provisioned(client, noun, id, parent))
  },
}

async function change(
  { client }: Session,
  noun: Noun,
  { id, parent }: { id: string; parent: string },
  body: object,
  typed: Typed,
): Promise<void> {
  await operations[noun.name].update!(client, id, body as never, parent)
  if (typed.options.wait) await waitForActive(() => provisioned(client, noun, id, parent))
}

/** The last argument names the object, the one before it what it stands in. */
async function placeOf(session: Session, noun: Noun, typed: Typed): Promise<{ id: string; parent: string }> {
  const parent = noun.parent ? await idOf(session, noun.parent, typed.arguments[0]!) : ''
  return { id: await idOf(session, noun.name, typed.arguments.at(-1)!, parent), parent }
}

/** What looks like an id is asked for at once, without looking it up first. */
async function found(session: Session, noun: Noun, typed: Typed): Promise<Shown> {
  const { get } = operations[noun.name]
  if (typed.arguments.every(isUuid)) {
    try {
      return (await get(session.client, typed.arguments.at(-1)!, typed.arguments[0]!)) as Shown
    } catch (error) {
      if (!(error instanceof Fault && error.status === 404)) throw error
    }
  }
  const { id, parent } = await placeOf(session, noun, typed)
  return (await get(session.client, id, parent)) as Shown
}

async function tagsOf(client: LoadBalancing, noun: Noun, id: string, parent: string): Promise<string[]> {
  return ((await operations[noun.name].get(client, id, parent)) as { tags: string[] }).tags
}

/** Of an amphora its status is what others call provisioning status. */
async function provisioned(client: LoadBalancing, noun: Noun, id: string, parent: string): Promise<{ provisioning_status: string }> {
  const object = (await operations[noun.name].get(client, id, parent)) as { provisioning_status?: string; status?: string }
  return { ...object, provisioning_status: object.provisioning_status ?? object.status! }
}

/** Why it is in ERROR stands at its end, where it is. */
function rowsOf(noun: Noun, object: Shown): readonly string[] {
  return object.fault === undefined ? noun.rows : [...noun.rows, 'fault']
}

function printedAs({ options }: Typed): Printed {
  return options as unknown as Printed
}

function tagFiltersOf({ options }: Typed): Record<string, unknown> {
  return { tags: options.tags, 'tags-any': options['any-tags'], 'not-tags': options['not-tags'], 'not-tags-any': options['not-any-tags'] }
}

type RunSpecial = (session: Session, typed: Typed) => Promise<void>

function optionsOf(name: SpecialName): readonly Option[] {
  return specials[name].options
}

const special: Record<SpecialName, RunSpecial> = {
  async loadBalancerStats(session, typed) {
    const id = await idOf(session, 'load balancer', typed.arguments[0]!)
    print(printOne(specials.loadBalancerStats.columns, { ...(await session.client.getLoadBalancerStats(id)) }, printedAs(typed)))
  },
  async loadBalancerStatus(session, typed) {
    const id = await idOf(session, 'load balancer', typed.arguments[0]!)
    print(JSON.stringify(await session.client.getLoadBalancerStatus(id), null, 4))
  },
  async loadBalancerFailover(session, typed) {
    const { client } = session
    const id = await idOf(session, 'load balancer', typed.arguments[0]!)
    await client.failoverLoadBalancer(id)
    if (typed.options.wait) await waitForActive(() => client.getLoadBalancer(id))
  },
  async eventList(session, typed) {
    const id = await idOf(session, 'load balancer', typed.arguments[0]!)
    const query = await fieldsOf(session, optionsOf('eventList'), typed.options)
    const { items } = await session.client.listLoadBalancerEvents(id, query)
    print(
      printMany(
        specials.eventList.columns,
        items.map((one) => ({ ...one })),
        printedAs(typed),
      ),
    )
  },
  async loadBalancerLogs(session, typed) {
    const id = await idOf(session, 'load balancer', typed.arguments[0]!)
    const query = await fieldsOf(session, optionsOf('loadBalancerLogs'), typed.options)
    for await (const line of session.client.getLoadBalancerLogs(id, query)) print(line)
  },
  async listenerStats(session, typed) {
    const id = await idOf(session, 'listener', typed.arguments[0]!)
    print(printOne(specials.listenerStats.columns, { ...(await session.client.getListenerStats(id)) }, printedAs(typed)))
  },
  async memberStats(session, typed) {
    const pool = await idOf(session, 'pool', typed.arguments[0]!)
    const id = await idOf(session, 'member', typed.arguments[1]!, pool)
    print(printOne(specials.memberStats.columns, { ...(await session.client.getMemberStats(pool, id)) }, printedAs(typed)))
  },
  async amphoraStats(session, typed) {
    const { columns } = specials.amphoraStats
    const { listener_id } = await fieldsOf(session, optionsOf('amphoraStats'), typed.options)
    const all = await session.client.getAmphoraStats(typed.arguments[0]!)
    const wanted = all.filter((one) => listener_id === undefined || one.listener_id === listener_id)
    const sums = columns.map((column) => [column, wanted.reduce((sum, one) => sum + one[column as 'bytes_in'], 0)])
    print(printOne(columns, Object.fromEntries(sums), printedAs(typed)))
  },
  async amphoraConfigure(session, typed) {
    const { client } = session
    const id = await idOf(session, 'amphora', typed.arguments[0]!)
    await client.configureAmphora(id)
    if (typed.options.wait) await waitForItsLoadBalancer(client, (await client.getAmphora(id)).loadbalancer_id)
  },
  async amphoraFailover(session, typed) {
    const { client } = session
    const id = await idOf(session, 'amphora', typed.arguments[0]!)
    const { loadbalancer_id } = await client.getAmphora(id)
    await client.failoverAmphora(id)
    if (typed.options.wait) await waitForItsLoadBalancer(client, loadbalancer_id)
  },
  async providerList(session, typed) {
    const providers = await session.client.listProviders()
    print(
      printMany(
        specials.providerList.columns,
        providers.map((one) => ({ ...one })),
        printedAs(typed),
      ),
    )
  },
  async providerCapabilityList(session, typed) {
    const { client } = session
    const provider = typed.arguments[0]!
    const { flavor, availability_zone } = await fieldsOf(session, optionsOf('providerCapabilityList'), typed.options)
    const flavors = availability_zone ? [] : await client.listProviderFlavorCapabilities(provider)
    const zones = flavor ? [] : await client.listProviderAvailabilityZoneCapabilities(provider)
    const rows = [...flavors.map((one) => ({ ...one, type: 'flavor' })), ...zones.map((one) => ({ ...one, type: 'availability_zone' }))]
    print(printMany(specials.providerCapabilityList.columns, rows, printedAs(typed)))
  },
  async quotaList(session, typed) {
    const query = await fieldsOf(session, optionsOf('quotaList'), typed.options)
    const rows: Shown[] = []
    for await (const quota of each((page) => session.client.listQuotas({ ...query, ...page }))) rows.push({ ...quota })
    print(printMany(specials.quotaList.columns, rows, printedAs(typed)))
  },
  async quotaShow(session, typed) {
    const quota = await session.client.getQuota(await idOf(session, 'project', typed.arguments[0]!))
    print(printOne(specials.quotaShow.columns, { ...quota }, printedAs(typed)))
  },
  async quotaDefaultsShow(session, typed) {
    print(printOne(specials.quotaDefaultsShow.columns, { ...(await session.client.getQuota('defaults')) }, printedAs(typed)))
  },
  async quotaSet(session, typed) {
    const body = await fieldsOf(session, optionsOf('quotaSet'), typed.options)
    if (Object.keys(body).length === 0) {
      const flags = optionsOf('quotaSet').map(({ flags }) => flags.split(' ', 1)[0])
      throw new ValueError(`Missing required argument. Requires at least one of: ${flags.join(', ')}`)
    }
    const quota = await session.client.updateQuota(await idOf(session, 'project', typed.arguments[0]!), body)
    print(printOne(specials.quotaSet.columns, { ...quota }, printedAs(typed)))
  },
  async quotaReset(session, typed) {
    await session.client.deleteQuota(await idOf(session, 'project', typed.arguments[0]!))
  },
  async quotaUnset(session, typed) {
    const body = await fieldsOf(session, optionsOf('quotaUnset'), typed.options)
    if (Object.keys(body).length > 0) await session.client.updateQuota(await idOf(session, 'project', typed.arguments[0]!), body)
  },
}

async function waitForItsLoadBalancer(client: LoadBalancing, id: string | null): Promise<void> {
  if (id !== null) await waitForActive(() => client.getLoadBalancer(id))
}
