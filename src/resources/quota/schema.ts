/** Fields stand in upstream's order (`octavia/api/v2/types/quotas.py`): the first wrong one decides the fault. */
import { type Static, Type } from 'typebox'
import { integer, nullable, owner, shown } from '../fields.ts'

/** -1: as many as one likes. */
const limit = () => integer({ minimum: -1, maximum: 2_000_000_000 })

/** Both spellings of load balancer and health monitor are taken; where both are given, the one without the underscore counts, as upstream. */
const limits = {
  loadbalancer: limit(),
  load_balancer: limit(),
  listener: limit(),
  member: limit(),
  pool: limit(),
  healthmonitor: limit(),
  health_monitor: limit(),
  l7policy: limit(),
  l7rule: limit(),
}

/** What is left out stays; null goes back to the configured default. */
export const QuotaUpdate = Type.Object({
  loadbalancer: Type.Optional(nullable(limits.loadbalancer)),
  load_balancer: Type.Optional(nullable(limits.load_balancer)),
  listener: Type.Optional(nullable(limits.listener)),
  member: Type.Optional(nullable(limits.member)),
  pool: Type.Optional(nullable(limits.pool)),
  healthmonitor: Type.Optional(nullable(limits.healthmonitor)),
  health_monitor: Type.Optional(nullable(limits.health_monitor)),
  l7policy: Type.Optional(nullable(limits.l7policy)),
  l7rule: Type.Optional(nullable(limits.l7rule)),
})
export type QuotaUpdate = Static<typeof QuotaUpdate>

/** The limits that hold. */
export const Quota = Type.Object({ ...owner, ...shown(limits) }, { title: 'Quota' })
export type Quota = Static<typeof Quota>

/** In a list: what was set; null is the configured default. */
export const QuotaInList = Type.Object(
  {
    ...owner,
    loadbalancer: nullable(limits.loadbalancer),
    load_balancer: nullable(limits.load_balancer),
    listener: nullable(limits.listener),
    member: nullable(limits.member),
    pool: nullable(limits.pool),
    healthmonitor: nullable(limits.healthmonitor),
    health_monitor: nullable(limits.health_monitor),
    l7policy: nullable(limits.l7policy),
    l7rule: nullable(limits.l7rule),
  },
  { title: 'QuotaInList' },
)
export type QuotaInList = Static<typeof QuotaInList>
