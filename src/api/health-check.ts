/** `/healthcheck`, which load balancers in front of the API ask: the section `[healthcheck]`, as oslo.middleware's healthcheck serves it. */
import { access } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { missingRoles } from '../controllers/registry.ts'
import { within } from '../lib/within.ts'
import { methodNotAllowed, pathNotFound } from './faults.ts'
import type { ApiContext } from './route.ts'

interface Result {
  backend: string
  available: boolean
  reason: string
  details: string
}

type Backend = (context: ApiContext) => Promise<Omit<Result, 'backend'>>

/** A database that takes longer to say one word is as good as gone. */
const DATABASE_TIMEOUT_MS = 2_000

/** Without them what the API accepts is not done, or nobody looks after what was done. */
const ROLES = ['worker', 'health-manager', 'housekeeping']

/** By the values of `[healthcheck] backends`. */
const backends: Record<ApiContext['config']['healthcheck']['backends'][number], Backend> = {
  async octavia_db_check({ db, config }) {
    try {
      const { api_settings } = config
      await within(DATABASE_TIMEOUT_MS, sql`select 1`.execute(db))
      return { available: true, reason: 'OK', details: `asked at most every ${api_settings.healthcheck_refresh_interval} s` }
    } catch (error) {
      return { available: false, reason: 'The Octavia database is unavailable.', details: (error as Error).message }
    }
  },
  async ottavia_roles_check({ db }) {
    try {
      const missing = await within(DATABASE_TIMEOUT_MS, missingRoles(db, ROLES))
      return missing.length === 0
        ? { available: true, reason: 'OK', details: `${ROLES.join(', ')}: a process has been heard of lately` }
        : { available: false, reason: `No process with the role ${missing.join(', ')} runs.`, details: 'ottavia status tells more' }
    } catch (error) {
      return { available: false, reason: 'Which processes run is not known.', details: (error as Error).message }
    }
  },
  async disable_by_file({ config }) {
    const path = config.healthcheck.disable_by_file_path
    const isThere =
      path !== null &&
      (await access(path).then(
        () => true,
        () => false,
      ))
    return isThere
      ? { available: false, reason: 'DISABLED BY FILE', details: `Path '${path}' was found` }
      : { available: true, reason: 'OK', details: path === null ? 'No path is configured' : `Path '${path}' was not found` }
  },
}

export function healthCheckRoute(api: FastifyInstance, context: ApiContext): void {
  const { api_settings, healthcheck } = context.config
  let known: { results: Promise<Result[]>; untilMs: number } | undefined

  /** Asked no more often than the option says, by however many. */
  async function check(): Promise<Result[]> {
    if (api.isDraining()) return [{ backend: 'draining', available: false, reason: 'STOPPING', details: 'This process was told to end' }]
    const now = context.clock.monotonic()
    if (known === undefined || now >= known.untilMs) {
      const results = Promise.all(healthcheck.backends.map(async (backend) => ({ backend, ...(await backends[backend](context)) })))
      known = { results, untilMs: now + api_settings.healthcheck_refresh_interval * 1_000 }
    }
    return known.results
  }

  api.route({
    method: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH'],
    url: '/healthcheck',
    async handler(request, reply) {
      if (!api_settings.healthcheck_enabled) throw pathNotFound()
      if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(['GET', 'HEAD'])
      const results = await check()
      const healthy = results.every(({ available }) => available)
      reply.code(healthy ? (request.method === 'HEAD' ? 204 : 200) : 503)
      if (request.method === 'HEAD') return reply.send()
      const accept = request.headers.accept ?? 'text/plain'
      if (accept.includes('application/json')) {
        const reasons = results.map(({ backend, reason, details }) => (healthcheck.detailed ? { class: backend, reason, details } : reason))
        return reply.type('application/json').send({ detailed: healthcheck.detailed, reasons })
      }
      if (accept.includes('text/html')) return reply.type('text/html; charset=UTF-8').send(page(results, healthcheck.detailed))
      return reply.type('text/plain; charset=UTF-8').send(results.map(({ reason }) => reason).join('\n'))
    },
  })
}

function page(results: Result[], detailed: boolean): string {
  const rows = results.map(({ backend, reason, details }) => (detailed ? [backend, reason, details] : [reason]))
  const cells = rows.map((row) => `<tr>${row.map((text) => `<td>${escaped(text)}</td>`).join('')}</tr>`)
  const title = `<title>Healthcheck Status</title>`
  return `<html><head>${title}</head><body><h2>Result of ${results.length} checks:</h2><table>${cells.join('')}</table></body></html>`
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
