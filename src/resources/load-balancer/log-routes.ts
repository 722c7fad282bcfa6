import type { FastifyInstance } from 'fastify'
import { tellsLines } from '../../api/answer.ts'
import { Fault, notFound, unsupportedAction } from '../../api/faults.ts'
import { isTrueWord } from '../../api/query.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { AgentUnreachable } from '../../drivers/errors.ts'
import { listServingAmphorae } from '../amphora/repository.ts'
import { boolean } from '../fields.ts'
import { logText } from './logs.ts'
import { findLoadBalancer } from './repository.ts'

/** Who follows longer asks again. */
const MAX_FOLLOW_MS = 60 * 60 * 1_000
/** The last lines are there by then. */
const MAX_READ_MS = 30_000
/** Readers at once: of one load balancer, and in this process. */
const MAX_READERS_OF_ONE = 4
const MAX_READERS = 200

/** Ours: the access log of a load balancer, from its amphorae. */
export function logRoutes(api: FastifyInstance, { db, amphora, log }: ApiContext): void {
  /** By load balancer. */
  const readers = new Map<string, Set<AbortController>>()
  const all = () => [...readers.values()].flatMap((ofOne) => [...ofOne])
  // A server that closes waits for its answers to end.
  api.addHook('preClose', async () => {
    for (const reader of all()) reader.abort()
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/loadbalancers/:id/logs',
    summary: 'Read the access log of a load balancer',
    query: { follow: boolean({ description: 'the lines from now on instead of the last ones', default: false }) },
    answer: tellsLines,
    policies: ['os_load-balancer_api:loadbalancer:get_logs'],
    async handler(request, reply) {
      const { id } = request.params
      const loadBalancer = await findLoadBalancer(db, id)
      if (!loadBalancer) throw notFound('Load Balancer', id)
      request.authorize('os_load-balancer_api:loadbalancer:get_logs', loadBalancer.project_id)
      const follow = isFlagSet(request.query.follow)
      const reader = enter(id, follow ? MAX_FOLLOW_MS : MAX_READ_MS)
      try {
        const asked = await Promise.allSettled(
          (await listServingAmphorae(db, id)).map((address) => amphora.readLogs(address, id, { follow, signal: reader.signal })),
        )
        const text = logText(sourcesOf(asked, loadBalancer.provider), follow, reader.signal)
        text.on('close', () => reader.abort())
        // Else a connection that becomes idle while the server closes keeps it from ending.
        if (follow) reply.header('connection', 'close')
        return reply.type('text/plain; charset=utf-8').send(text)
      } catch (error) {
        reader.abort()
        throw error
      }
    },
  })

  /** Aborted when the time is over; whoever aborts it gives the place free. */
  function enter(id: string, limitMs: number): AbortController {
    const ofOne = readers.get(id) ?? new Set()
    if (ofOne.size >= MAX_READERS_OF_ONE || all().length >= MAX_READERS) throw new Fault(503, 'Too many read this log.')
    const reader = new AbortController()
    readers.set(id, ofOne.add(reader))
    const timer = setTimeout(() => reader.abort(), limitMs)
    reader.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      ofOne.delete(reader)
      if (ofOne.size === 0) readers.delete(id)
    })
    return reader
  }

  /** What can be read; null stands for an amphora that does not answer. Throws where no one does, or no one keeps logs. */
  function sourcesOf(asked: PromiseSettledResult<AsyncIterable<string> | null>[], provider: string): (AsyncIterable<string> | null)[] {
    const failures = asked.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []))
    const other = failures.find((error) => !(error instanceof AgentUnreachable))
    if (other !== undefined) throw other
    for (const { message } of failures) log.warn(message)
    if (failures.length > 0 && failures.length === asked.length) throw new Fault(503, 'The load balancer does not answer.')
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    if (answers.length > 0 && answers.every((answer) => answer === null)) throw unsupportedAction(provider, 'Its amphorae keep no logs.')
    return [...answers.filter((answer) => answer !== null), ...failures.map(() => null)]
  }
}

/** `?follow` and `?follow=true`. */
function isFlagSet(value: string | string[] | undefined): boolean {
  const word = [value ?? 'false'].flat().at(-1)!
  return word === '' || isTrueWord(word)
}
