/** Lets pages of other origins use the API: the section `[cors]`, as oslo.middleware's cors applies it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.ts'

/** Headers that need no permission. */
const simpleHeaders = [
  'accept',
  'accept-language',
  'content-type',
  'cache-control',
  'content-language',
  'expires',
  'last-modified',
  'pragma',
]

/**
 * Adds the headers to answers, faults included, and answers every OPTIONS request itself: 200 without a body, whatever its path and
 * without a token. Call it before hooks that refuse requests are added.
 */
export function allowCrossOrigin(api: FastifyInstance, { cors }: Config): void {
  api.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'OPTIONS') {
      permit(request, reply)
      done()
      return
    }
    permitPreflight(request, reply)
    reply.code(200).send()
  })

  function permit({ headers }: FastifyRequest, reply: FastifyReply): void {
    const origin = permittedOrigin(headers.origin)
    if (origin === null) return
    permitOrigin(reply, origin)
    if (cors.expose_headers.length > 0) reply.header('Access-Control-Expose-Headers', cors.expose_headers.join(','))
  }

  function permitPreflight({ headers }: FastifyRequest, reply: FastifyReply): void {
    const origin = permittedOrigin(headers.origin)
    const method = headers['access-control-request-method']
    if (origin === null || method === undefined || !cors.allow_methods.includes(method)) return
    const asked = (headers['access-control-request-headers'] ?? '').split(',').flatMap((name) => name.trim() || [])
    const permitted = new Set([...simpleHeaders, ...cors.allow_headers.map((name) => name.toLowerCase())])
    if (!asked.every((name) => permitted.has(name.toLowerCase()))) return
    permitOrigin(reply, origin)
    if (cors.max_age > 0) reply.header('Access-Control-Max-Age', String(cors.max_age))
    reply.header('Access-Control-Allow-Methods', method)
    if (asked.length > 0) reply.header('Access-Control-Allow-Headers', asked.join(','))
  }

  /** What to answer as the permitted origin; null when none is. */
  function permittedOrigin(origin: string | undefined): string | null {
    if (origin === undefined) return null
    if (cors.allowed_origin.includes(origin)) return origin
    return cors.allowed_origin.includes('*') ? '*' : null
  }

  function permitOrigin(reply: FastifyReply, origin: string): void {
    reply.header('Vary', 'Origin')
    reply.header('Access-Control-Allow-Origin', origin)
    if (cors.allow_credentials) reply.header('Access-Control-Allow-Credentials', 'true')
  }
}
