/** Requests: such as the announced routes ask for, with something wrong now and then; and bytes that are hardly requests. */
import type { AnnouncedRoute } from '../../src/api/route.ts'
import type { Dice } from './dice.ts'
import type { Known } from './known.ts'
import { nastyValue, toJson, valueFor } from './values.ts'

export interface FuzzRequest {
  method: string
  /** Without the query. */
  path: string
  query: [string, string][]
  headers: [string, string][]
  body: string | undefined
  /** What is sent instead of all of it; then only the method is meant. */
  bytes?: Buffer
}

/** As it goes over the wire. */
export function bytesOf({ method, path, query, headers, body, bytes }: FuzzRequest): Buffer {
  if (bytes !== undefined) return bytes
  const target = query.length === 0 ? path : `${path}?${query.map(([name, value]) => `${name}=${value}`).join('&')}`
  const content = body === undefined ? undefined : Buffer.from(body)
  const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)]
  if (content !== undefined && !headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))) {
    lines.push(`Content-Length: ${content.length}`)
  }
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), content ?? Buffer.alloc(0)])
}

/** Of a hundred requests eighty are well-formed HTTP. */
export function makeRequest(routes: readonly AnnouncedRoute[], dice: Dice, known: Known): FuzzRequest {
  const request = structured(routes, dice, known)
  return dice.chance(0.2) ? mangled(request, dice) : request
}

function structured(routes: readonly AnnouncedRoute[], dice: Dice, known: Known): FuzzRequest {
  const route = dice.pick(routes)
  // Half as many deletions as anything else, so that there is something left to ask about.
  if (route.method === 'DELETE' && dice.chance(0.5)) return structured(routes, dice, known)
  const method = dice.chance(0.02)
    ? dice.pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'SEARCH'])
    : route.method
  const body = method === 'GET' || method === 'HEAD' ? undefined : bodyFor(route, dice, known)
  return { method, path: pathFor(route.path, dice, known), query: queryFor(route, dice, known), headers: headersFor(dice, body), body }
}

const oddSegments = [
  ...[
    '',
    '.',
    '..',
    '%2e%2e',
    '%00',
    '%',
    '%zz',
    '%ff',
    '%F0%9F%92%A5',
    '%C3%28',
    'a%2Fb',
    '*',
    ':id',
    '__proto__',
    'constructor',
    'null',
    'x'.repeat(511),
  ],
  ...[
    'x'.repeat(600),
    '00000000-0000-0000-0000-000000000000',
    "'",
    '%27%20or%201=1',
    '%0d%0aX:%20y',
    ';',
    '+',
    '~',
    'status',
    'defaults',
    '.json',
  ],
]

function pathFor(pattern: string, dice: Dice, known: Known): string {
  const nameless = pattern.replace(/:\w+/g, ':')
  const [, object = '', rest = ''] = /^(.*:)(\/[^:]*)?$/.exec(nameless) ?? []
  let path = nameless
  const seen = object !== '' && dice.chance(0.93) ? known.path(object, dice) : undefined
  if (seen !== undefined) path = seen + rest
  path = path.replace(/:/g, () => {
    if (dice.chance(0.5)) return dice.uuid()
    return dice.pick(oddSegments)
  })
  if (dice.chance(0.05))
    path = dice.pick([
      `${path}/`,
      `${path}.json`,
      path.replace('/v2/lbaas', '/v2.0'),
      `/load-balancer${path}`,
      path.replace('/v2/', '/v2//'),
    ])
  if (dice.chance(0.02)) path = `${path}/${dice.pick(oddSegments)}`
  return path
}

const pageValues = [
  ...['0', '1', '2', '-1', '999999999999999999999', '1e3', '1.5', 'infinity', 'infinite', 'NaN', '', '%00', '+1', '%201', '0x10'],
  ...[
    'id',
    'name:asc',
    'name:desc,id',
    'name:up',
    'a:b:c',
    ',',
    ':',
    'id:',
    ':asc',
    'created_at',
    'tags',
    'project_id:DESC',
    'id,id,id,id',
  ],
  ...[
    'True',
    'no',
    '__proto__',
    'constructor',
    'a%00b',
    '%ff%fe',
    '%',
    '%ud800',
    '%F0%9F%92%A5',
    'x'.repeat(3_000),
    'a,b,c,,',
    '[]',
    '%5B%22a%22%5D',
  ],
]
const pageNames = [
  'limit',
  'marker',
  'sort',
  'sort_key',
  'sort_dir',
  'page_reverse',
  'fields',
  'tags',
  'tags-any',
  'not-tags',
  'not-tags-any',
]
const otherNames = [
  'cascade',
  'additive_only',
  'project_id',
  'tenant_id',
  'id',
  'name',
  '__proto__',
  'constructor',
  'unknown',
  '',
  'a[b]',
  '%00',
  '%zz',
]

function queryFor({ answer, query }: AnnouncedRoute, dice: Dice, known: Known): [string, string][] {
  if (dice.chance(answer?.listed === undefined ? 0.85 : 0.2)) return []
  const listed = [...(answer?.listed?.columns ?? []), ...Object.keys(answer?.listed?.aliases ?? {}), ...Object.keys(query ?? {})]
  return Array.from({ length: 1 + dice.below(3) }, (): [string, string] => {
    if (listed.length > 0 && dice.chance(0.5)) return [dice.pick(listed), dice.chance(0.5) ? 'ACTIVE' : oddQueryValue(dice)]
    const name = dice.pick(dice.chance(0.8) ? pageNames : otherNames)
    if (name === 'marker' && dice.chance(0.7))
      return [name, known.idOf(dice.pick(['loadbalancers', 'listeners', 'pools']), dice) ?? dice.uuid()]
    if (name.startsWith('sort') && listed.length > 0 && dice.chance(0.7))
      return [name, `${dice.pick(listed)}:${dice.pick(['asc', 'desc'])}`]
    return [name, oddQueryValue(dice)]
  })
}

function oddQueryValue(dice: Dice): string {
  if (dice.chance(0.7)) return dice.pick(pageValues)
  const value = toJson(nastyValue(dice)).slice(0, 2_000)
  return encodeURIComponent(value.toWellFormed())
}

function bodyFor({ body, method }: AnnouncedRoute, dice: Dice, known: Known): string | undefined {
  if (body === undefined) return method === 'DELETE' || dice.chance(0.9) ? undefined : toJson(nastyValue(dice))
  const value = valueFor(body.schema, dice, known)
  const whole = toJson({ [body.key]: value })
  return dice.chance(0.05) ? brokenBody(whole, body.key, value, dice) : whole
}

function brokenBody(whole: string, key: string, value: unknown, dice: Dice): string | undefined {
  const broken: (() => string | undefined)[] = [
    () => undefined,
    () => '',
    () => '{}',
    () => 'null',
    () => whole.slice(0, dice.below(whole.length)),
    () => `${whole}}`,
    () => `\ufeff${whole}`,
    () => `${whole}\u0000`,
    () => `[${whole}]`,
    () => toJson(value),
    () => toJson({ [key]: nastyValue(dice) }),
    () => toJson({ [key]: value, [dice.pick(['__proto__', 'x', 'constructor'])]: 1 }),
    () => `{"${key}":${toJson(value)},"${key}":${toJson(nastyValue(dice))}}`,
    () => toJson(nastyValue(dice)),
    () => whole.replaceAll('"', "'"),
    () => whole.replace(/:/g, ': \n\t'),
    () => '['.repeat(20_000) + ']'.repeat(20_000),
    () => toJson({ [key]: { name: 'x'.repeat(150_000) } }),
    () => '{"a":1e999999}',
    () => 'NaN',
  ]
  return dice.pick(broken)()
}

function headersFor(dice: Dice, body: string | undefined): [string, string][] {
  const headers: [string, string][] = [
    ['Host', '127.0.0.1'],
    ['Accept', 'application/json'],
    ['X-Project-Id', dice.pick(['project-1', 'project-1', 'project-2'])],
  ]
  if (body !== undefined) headers.push(['Content-Type', 'application/json'])
  if (dice.chance(0.05)) headers.push(dice.pick(oddHeaders))
  return headers
}

const oddHeaders: readonly [string, string][] = [
  ['X-Project-Id', 'é'.repeat(40)],
  ['X-Project-Id', ''],
  ['X-Tenant-Id', '../..'],
  ['X-Auth-Token', 'x'.repeat(9_000)],
  ['X-Auth-Token', '\u00ff\u00fe'],
  ['Accept', 'text/html'],
  ['Accept', '*/*;q=0, application/json;q=nonsense'],
  ['Accept-Encoding', 'gzip, br, zstd'],
  ['Content-Encoding', 'gzip'],
  ['Content-Type', 'application/json; charset=utf-16'],
  ['Content-Type', 'text/plain'],
  ['Content-Type', 'multipart/form-data; boundary=x'],
  ['Content-Type', ';'],
  ['Content-Type', 'application/json, text/plain'],
  ['Content-Type', '\u00ff/\u00ff'],
  ['Expect', '100-continue'],
  ['Expect', 'nonsense'],
  ['Upgrade', 'websocket'],
  ['Connection', 'Upgrade'],
  ['Connection', 'close'],
  ['X-Forwarded-For', "1.2.3.4, '; drop table"],
  ['X-Forwarded-Proto', 'javascript'],
  ['X-Forwarded-Prefix', '//evil'],
  ['Forwarded', 'for=;;;;='],
  ['Origin', 'null'],
  ['Range', 'bytes=0-1'],
  ['If-None-Match', '*'],
  ['Cookie', '__proto__=1'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['OpenStack-API-Version', 'load-balancer 99.99'],
]

function mangled(request: FuzzRequest, dice: Dice): FuzzRequest {
  const text = bytesOf(request).toString('latin1')
  return { ...request, bytes: Buffer.from(dice.pick(manglings)(text, dice), 'latin1') }
}

const lineEnd = (text: string) => text.indexOf('\r\n') + 2
const withHeader = (text: string, header: string) => `${text.slice(0, lineEnd(text))}${header}\r\n${text.slice(lineEnd(text))}`
const withoutLength = (text: string) => text.replace(/Content-Length: \d+\r\n/, '')
const headOf = (text: string) => text.slice(0, text.indexOf('\r\n\r\n'))
const bodyIn = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4)
const withTarget = (text: string, target: string) => text.replace(/^(\S+) \S+/, `$1 ${target}`)

const manglings: readonly ((text: string, dice: Dice) => string)[] = [
  // Bytes changed, left out, doubled.
  (text, dice) => {
    const at = dice.below(text.length)
    return text.slice(0, at) + String.fromCharCode(dice.below(256)) + text.slice(at + 1)
  },
  (text, dice) => text.slice(0, dice.below(text.length)),
  (text, dice) => text.slice(dice.below(text.length)),
  (text, dice) => {
    const at = dice.below(text.length)
    return text.slice(0, at) + text.slice(at, at + 20) + text.slice(at)
  },
  (_, dice) => String.fromCharCode(...Array.from({ length: 1 + dice.below(300) }, () => dice.below(256))),
  // The first line.
  (text) => text.replace('HTTP/1.1', 'HTTP/1.0'),
  (text, dice) => text.replace('HTTP/1.1', dice.pick(['HTTP/2.0', 'HTTP/0.9', 'HTTP/9.9', 'HTTP/1.1.1', 'HTTP', '', 'ICY/1.1'])),
  (text, dice) =>
    text.replace(/^\S+/, dice.pick(['BREW', 'get', 'PRI', 'CONNECT', '', 'GET\t', 'M-SEARCH', 'PROPFIND', 'QUERY', 'A'.repeat(9_000)])),
  (text, dice) =>
    withTarget(
      text,
      dice.pick(['*', '/', '//', 'x', 'http://127.0.0.1/v2/lbaas/pools', 'http://evil/', '/\u0000', '/é', '?', '#', '127.0.0.1:80']),
    ),
  (text, dice) => withTarget(text, `/v2/lbaas/pools/${'a/'.repeat(dice.pick([10, 2_000, 9_000]))}`),
  (text, dice) => withTarget(text, `/v2/lbaas/pools?${'name=x&'.repeat(dice.pick([10, 1_000, 2_000]))}`),
  (text) => `\r\n\r\n${text}`,
  (text) => text.replaceAll('\r\n', '\n'),
  (text) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${text}`,
  () => '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003',
  // Headers.
  (text) => withHeader(text, `X-Long: ${'x'.repeat(20_000)}`),
  (text, dice) => withHeader(text, Array.from({ length: dice.pick([50, 3_000]) }, (_, n) => `X-${n}: ${n}`).join('\r\n')),
  (text) => withHeader(text, 'no colon'),
  (text) => withHeader(text, ': no name'),
  (text) => withHeader(text, 'X-Folded: a\r\n b'),
  (text) => withHeader(text, 'X\u0000Y: z'),
  (text) => withHeader(text, 'X: a\u0000b'),
  (text) => withHeader(text, 'X : space'),
  (text, dice) =>
    text.replace(
      /Host: .*\r\n/,
      dice.pick(['', 'Host: \r\n', 'Host: evil.example\r\n', 'Host: a\r\nHost: b\r\n', 'Host: 127.0.0.1:99999\r\n', 'Host: [::1\r\n']),
    ),
  (text) => withHeader(text, '__proto__: x'),
  // Lengths and encodings of the body.
  (text) => withHeader(withoutLength(text), 'Content-Length: 99999999'),
  (text) => withHeader(withoutLength(text), 'Content-Length: 1'),
  (text) => withHeader(withoutLength(text), 'Content-Length: -1'),
  (text) => withHeader(withoutLength(text), 'Content-Length: 5, 5'),
  (text) => withHeader(withoutLength(text), 'Content-Length: 0x10'),
  (text) => withHeader(text, 'Content-Length: 3'),
  (text) => withHeader(text, 'Transfer-Encoding: chunked'),
  (text) => withHeader(text, 'Transfer-Encoding: gzip, chunked'),
  (text) => withHeader(text, 'Transfer-Encoding: nonsense'),
  (text, dice) => {
    const body = bodyIn(text)
    const sizes = ['ffffffffffffffffff', '-1', 'zz', '', '5;ext=x', body.length.toString(16), '0', '1']
    return `${headOf(withHeader(withoutLength(text), 'Transfer-Encoding: chunked'))}\r\n\r\n${dice.pick(sizes)}\r\n${body}\r\n0\r\n\r\n`
  },
  (text) => {
    const chunks = [...bodyIn(text)].map((byte) => `1\r\n${byte}\r\n`).join('')
    return `${headOf(withHeader(withoutLength(text), 'Transfer-Encoding: chunked'))}\r\n\r\n${chunks}0\r\nX-Trailer: y\r\n\r\n`
  },
  (text) => `${headOf(withHeader(withoutLength(text), 'Content-Length: 6'))}\r\n\r\n\u00ff\u00fe{\u0000}\u0000`,
  (text) => `${headOf(withHeader(withoutLength(text), 'Content-Length: 4'))}\r\n\r\n"\u00c3("`,
  // Several at once.
  (text) => text.repeat(3),
  (text) => `${text}GET /v2/lbaas/pools HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nnonsense`,
  (text) => `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${text}`,
]
