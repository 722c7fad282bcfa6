/** What users and administrators are told when a service of OpenStack has failed. */
import assert from 'node:assert/strict'
import { eventually } from './eventually.ts'
import { accepted } from './openstack-operations.ts'
import type { Proxied, Stage, Told } from './openstack-stage.ts'
import { type Mishap, SERVICE_WORDS } from './service-proxy.ts'

type ToldEvent = { event: string; outcome: string; message: string | null; details?: string | null }

/** What the tenant has named himself, and is told. */
const OWN_REFERENCE = /http:\S+\/v1\/(secrets|containers)\/[-\w]+/g

const NAMES: Record<Proxied, RegExp> = {
  compute: /Nova/,
  network: /Neutron/,
  image: /Glance/,
  'key-manager': /Barbican|secret/,
  identity: /Keystone/,
}

/** A fault in the API's form that names no host of its own accord; 4xx only where the user can mend it, which he cannot here. */
export function checkRefusal({ status, body }: Told): void {
  assert.ok(status >= 500 || status === 404 || status === 400, `${status}`)
  // Where it is Keystone that is away the answer has keystonemiddleware's form.
  const words = body.faultstring ?? body.message
  assert.ok(typeof words === 'string' && words.length > 0, JSON.stringify(body))
  assert.doesNotMatch(words.replaceAll(OWN_REFERENCE, ''), /127\.0\.0\.1/)
}

/** Administrators read which service it was, and what it said if it said anything. */
export function checkReason({ message, details }: ToldEvent, { service, mishap }: { service: Proxied; mishap: Mishap }): void {
  const words = `${message} ${details}`
  assert.match(words, NAMES[service])
  if (mishap === 'error') assert.ok(words.includes(SERVICE_WORDS), words)
}

/** Null where what was done last went well. It ends a moment after its load balancer is free. */
export async function latestFailure({ askAsAdministrator }: Pick<Stage, 'askAsAdministrator'>, id: string): Promise<ToldEvent | null> {
  const latest = await eventually(async () => {
    const { events } = (await accepted(askAsAdministrator('GET', `/lbaas/loadbalancers/${id}/events`))) as { events: ToldEvent[] }
    const [last] = events.filter(({ event }) => !event.endsWith('operating_status'))
    return last?.outcome !== 'in_progress' && last!
  })
  return latest.outcome === 'failure' ? latest : null
}
