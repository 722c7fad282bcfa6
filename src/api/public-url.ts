import type { IncomingHttpHeaders } from 'node:http'
import type { Config } from '../config/config.ts'

/** What of a request its URL is made of. */
export interface UrlRequest {
  /** Path and query as they were asked for. */
  originalUrl: string
  protocol: string
  host: string
  headers: IncomingHttpHeaders
}

/**
 * The URL a request was made to, without its query, as the client knows it: links are made from it. `[api_settings] api_base_uri` stands
 * for scheme and host; behind a proxy that may be trusted (`[oslo_middleware] enable_proxy_headers_parsing`) they are what it says
 * (RFC 7239, X-Forwarded-*; upstream: oslo.middleware's http_proxy_to_wsgi).
 */
export function publicUrl(request: UrlRequest, config: Config): string {
  const { origin, prefix } = config.oslo_middleware.enable_proxy_headers_parsing ? asForwarded(request) : asAsked(request)
  const path = request.originalUrl.split('?', 1)[0]!
  return `${config.api_settings.api_base_uri?.replace(/\/+$/, '') ?? origin}${prefix}${path}`
}

function asAsked({ protocol, host }: UrlRequest) {
  return { origin: `${protocol}://${host}`, prefix: '' }
}

function asForwarded(request: UrlRequest) {
  const { headers } = request
  const header = (name: string) => [headers[name] ?? []].flat()[0] || undefined
  const forwarded = header('forwarded')
  // The first proxy is the one the client spoke to.
  const [nearest = ''] = (forwarded ?? '').split(',', 1)
  const pairs = nearest.split(';').map((pair) => [pair.split('=', 1)[0]!.trim().toLowerCase(), pair.slice(pair.indexOf('=') + 1).trim()])
  const first = new Map(pairs as [string, string][])
  const proto = forwarded === undefined ? header('x-forwarded-proto') : first.get('proto')
  const host = forwarded === undefined ? header('x-forwarded-host') : first.get('host')
  return { origin: `${proto || request.protocol}://${host || request.host}`, prefix: header('x-forwarded-prefix') ?? '' }
}
