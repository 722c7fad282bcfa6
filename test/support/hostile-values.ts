/** Hostile values for every string field, and load balancers that have them. */
import fc from 'fast-check'
import { bodyKind } from '../../src/api/body.ts'
import type { L7RuleRow } from '../../src/db/tables.ts'
import { servedByAmphorae } from '../../src/drivers/amphora/capabilities.ts'
import { aTree, defaultConfig } from '../../src/render/golden/pairs.ts'
import { HealthMonitorCreate } from '../../src/resources/health-monitor/schema.ts'
import { L7PolicyCreate } from '../../src/resources/l7policy/schema.ts'
import { checkL7RuleData } from '../../src/resources/l7rule/checks.ts'
import { L7RuleCreate } from '../../src/resources/l7rule/schema.ts'
import type { LoadBalancerTree } from '../../src/resources/load-balancer/tree.ts'
import { checkSessionPersistence } from '../../src/resources/pool/checks.ts'
import { PoolCreate } from '../../src/resources/pool/schema.ts'
import { checkL7RuleServable, checkPoolServable } from '../../src/resources/servable.ts'
import { checkCiphers } from '../../src/resources/tls-options.ts'
import { aPoolRow } from './builders.ts'

/** A value for each field, or each kind of field, by the name of what it is. */
export const harmless = {
  name: 'name',
  project: 'project',
  header: 'header-value',
  headerName: 'x-header',
  cookie: 'cookie-value',
  cookieName: 'cookie',
  host: 'host.example',
  pathStart: '/start',
  file: 'jpg',
  expression: '^/a$',
  subject: 'subject',
  subjectField: 'CN',
  sessionCookie: 'session',
  url: 'https://url.example/',
  prefix: 'https://prefix.example',
  path: '/path',
  domain: 'domain.example',
  ciphers: 'AES128-SHA256',
  reference: 'https://keys.example/v1/containers/99999999-0000-4000-8000-000000000001',
  granularity: '255.255.255.0',
}
export type Fields = typeof harmless
type Name = keyof Fields

/** Of which fields what may be read back is known; the rest must not be read back at all. */
const becomes: Partial<Record<Name, (value: string) => string[]>> = {
  project: (value) => [value.replaceAll(/[^\w.-]/g, '_')],
  header: bareOrQuoted,
  headerName: inParentheses,
  cookie: (value) => [value],
  cookieName: inParentheses,
  host: bareOrQuoted,
  pathStart: bareOrQuoted,
  file: (value) => bareOrQuoted(value).map((text) => text.replace(/^\./, '')),
  expression: (value) => [value],
  subject: (value) => [value],
  subjectField: inParentheses,
  sessionCookie: inParentheses,
  url: (value) => [value],
  prefix: (value) => [value],
  path: (value) => [value],
  domain: (value) => [value, value.replaceAll('%', '%%')],
  ciphers: (value) => [
    value
      .split(':')
      .filter((name) => name !== '')
      .join(':'),
  ],
}

function bareOrQuoted(value: string): string[] {
  return [value, value.replace(/^"(.+)"$/, '$1')]
}

function inParentheses(name: string): string[] {
  return [name, `"${name}"`]
}

const markOf = (name: Name, draw: number) => `MARK-${name}-${draw}-`

/** What a word with marks may be when it is read back. */
export function expectedOf(word: string, draws: Fields[]): string[] {
  const [mark, name, draw] = /MARK-(\w+)-(\d+)-/.exec(word) ?? []
  if (mark === undefined) return [word]
  const values = becomes[name as Name]?.(draws[Number(draw)]![name as Name]) ?? []
  return values.flatMap((value) =>
    expectedOf(
      word.replace(mark, () => value),
      draws,
    ),
  )
}

/** One listener and one pool for each draw; in: whether each value is its field's mark instead. */
export function treeOf(draws: Fields[], marked = false): LoadBalancerTree {
  const fieldsOf = (draw: Fields, n: number): Fields =>
    marked ? (Object.fromEntries(Object.keys(draw).map((name) => [name, markOf(name as Name, n)])) as Fields) : draw
  const all = draws.map(fieldsOf)
  const { name = '', project = '' } = all[0] ?? {}
  return aTree({
    name,
    description: name,
    tags: [name],
    project_id: project,
    listeners: all.map((fields, n) => listenerOf(fields, n)),
    pools: all.map((fields, n) => poolOf(fields, n)),
  })
}

type Input = NonNullable<Parameters<typeof aTree>[0]>

function listenerOf(fields: Fields, n: number): NonNullable<Input['listeners']>[number] {
  const { name, header, headerName, cookie, cookieName, host, pathStart, file, expression, subject, subjectField, url, prefix } = fields
  const named = { name, description: name, tags: [name] }
  const tags = [name]
  return {
    ...named,
    protocol: 'TERMINATED_HTTPS',
    protocol_port: 1 + n,
    default_pool_id: `pool-${n}`,
    insert_headers: { [name]: 'true', 'X-Forwarded-Port': name, 'X-Forwarded-For': 'true' },
    default_tls_container_ref: fields.reference,
    sni_container_refs: [fields.reference],
    tls_ciphers: fields.ciphers,
    tls_versions: ['TLSv1.2', name, 'TLSv1.3'],
    l7policies: [
      {
        ...named,
        action: 'REJECT',
        rules: [
          { tags, type: 'PATH', compare_type: 'STARTS_WITH', value: pathStart },
          { tags, type: 'FILE_TYPE', compare_type: 'EQUAL_TO', value: file },
          { tags, type: 'SSL_DN_FIELD', compare_type: 'CONTAINS', key: subjectField, value: subject },
        ],
      },
      {
        ...named,
        action: 'REDIRECT_TO_URL',
        redirect_url: url,
        rules: [
          { tags, type: 'HEADER', compare_type: 'EQUAL_TO', key: headerName, value: header },
          { tags, type: 'COOKIE', compare_type: 'ENDS_WITH', key: cookieName, value: cookie },
        ],
      },
      {
        ...named,
        action: 'REDIRECT_PREFIX',
        redirect_prefix: prefix,
        rules: [
          { tags, type: 'HOST_NAME', compare_type: 'EQUAL_TO', value: host },
          { tags, type: 'PATH', compare_type: 'REGEX', value: expression },
        ],
      },
    ],
  }
}

function poolOf({ name, sessionCookie, path, domain, ciphers, reference }: Fields, n: number): NonNullable<Input['pools']>[number] {
  return {
    id: `pool-${n}`,
    name,
    description: name,
    tags: [name],
    // HAProxy is slow to prepare TLS, and one in five finds what all would.
    tls_enabled: n % 5 === 0,
    tls_container_ref: reference,
    ca_tls_container_ref: reference,
    crl_container_ref: reference,
    tls_ciphers: ciphers,
    tls_versions: [name, 'TLSv1.3', 'TLSv1.2'],
    session_persistence: { type: 'APP_COOKIE', cookie_name: sessionCookie, persistence_timeout: null, persistence_granularity: null },
    members: [{ name, tags: [name] }],
    health_monitor: { name, tags: [name], type: 'HTTPS', url_path: path, http_version: 1.1, domain_name: domain },
  }
}

const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')
const nasty = '\'"\\ \t#$%{}[]()!;|&<>-,=~@:/.*+?^'
const phrases = [
  "'; bind *:1 '",
  '" use_backend x "',
  "\\' \\",
  '\n    server evil 192.0.2.1:80\n',
  '\r\nX-Evil: 1',
  '\0',
  '\u0085\u2028',
  '%[env(PATH)]',
  '%{+Q}[src]',
  `$\{HOME}`,
  '$(id)',
  '`id`',
  `"$\{HOME}"`,
  '# comment',
  '-f /etc/passwd',
  '-m reg',
  '--',
  '{ path / }',
  '!',
  'if',
  'or TRUE',
  '../../../etc/passwd',
  'a'.repeat(255),
]

/** Text of these characters, a phrase that means something to somebody, or both. */
const textOf = (characters: string) =>
  fc.oneof(
    { arbitrary: fc.string({ unit: fc.constantFrom(...characters), minLength: 1, maxLength: 30 }), weight: 4 },
    { arbitrary: fc.constantFrom(...phrases), weight: 1 },
    {
      arbitrary: fc
        .tuple(fc.string({ unit: fc.constantFrom(...characters), maxLength: 9 }), fc.constantFrom(...phrases))
        .map((parts) => parts.join('')),
      weight: 1,
    },
  )

const names = Object.keys(harmless) as Name[]
const anything = textOf(`${nasty}${nasty}\n\r\0\x01\x7fé🦊ab`)
/** Without what cannot be rendered. */
const calm = textOf(`${printable}${nasty}é🦊`).map((text) => text.replaceAll(/[\r\n\0]/g, ' ').replaceAll(/["\\]/g, "'"))
const visible = textOf(printable.slice(1))
const quoted = visible.map((text) => `"${text}"`)

/** As rows might have them whatever the API says. Of values that cannot be rendered at most one, else nothing would be. */
export const drawsOfRows: fc.Arbitrary<Fields> = fc
  .tuple(
    fc.record(Object.fromEntries(names.map((name) => [name, calm])) as Record<Name, typeof calm>),
    fc.constantFrom(...names),
    fc.oneof(anything, calm),
  )
  .map(([fields, name, value]) => ({ ...fields, domain: fields.domain.replaceAll(/[^\w.-]/g, '-'), [name]: value }))
  // A list of nothing is no word.
  .map((fields) => ({ ...fields, ciphers: `AES128-SHA256:${fields.ciphers}` }))

/** As clients might send them, with a chance to be taken. */
export const drawsOfApi: fc.Arbitrary<Fields> = fc.record({
  name: anything,
  project: anything,
  header: fc.oneof(visible, quoted),
  headerName: textOf("!#$%&'*+-.^_`|~,aB1"),
  cookie: textOf(printable.replaceAll(/[ ",;\\]/g, '')),
  cookieName: textOf("!#$%&'*+-.^_`|~,aB1"),
  host: fc.oneof(visible, quoted),
  pathStart: fc.oneof(visible, quoted),
  file: fc.oneof(visible, quoted),
  expression: fc.oneof(textOf(printable.replaceAll(/[[(){}*+?\\]/g, '')), textOf('ab(|)[]{}*+?\\dw^$.-1,\'" #é')),
  subject: textOf(`${nasty}é🦊ab`),
  subjectField: textOf('abC-1'),
  sessionCookie: textOf("!#$%&'*+-.^_`|~aB1"),
  url: visible.map((text) => `https://a/${text}`),
  prefix: visible.map((text) => `http://a${text}`),
  path: textOf("az09-._~!$&'()*+,;=:@/?#").map((text) => `/a${text}`),
  domain: textOf('aZ09-_.'),
  ciphers: textOf('aAES128-+!:@=_.').map((text) => `AES128-SHA256:${text}`),
  reference: anything,
  granularity: fc.constantFrom('255.255.0.0', '10.0.0.1', '2001:db8::', 'ffff:ffff::', '0.0.0.0'),
})

/** The values that the API takes; in place of the others, harmless ones. */
export function acceptedByApi(drawn: Fields): Fields {
  const taken = Object.entries(drawn).map(([name, value]) => [name, accepts(name as Name, value) ? value : harmless[name as Name]])
  return Object.fromEntries(taken) as Fields
}

function accepts(name: Name, value: string): boolean {
  try {
    checks[name](value)
    return true
  } catch {
    return false
  }
}

const provider = { amphora: { capabilities: servedByAmphorae } }
const rules = bodyKind('rule_', 'rule', L7RuleCreate)
const policies = bodyKind('policy_', 'policy', L7PolicyCreate)
const monitors = bodyKind('monitor_', 'monitor', HealthMonitorCreate)
const pools = bodyKind('pool_', 'pool', PoolCreate)
const nobody = '11111111-1111-4111-8111-111111111111'

function aRule(rule: Partial<L7RuleRow>): void {
  const read = rules.read({ rule: { compare_type: 'EQUAL_TO', value: 'v', ...rule } })
  checkL7RuleData(read)
  checkL7RuleServable(provider, read)
}

function aPolicy(policy: object): void {
  policies.read({ policy: { action: 'REJECT', listener_id: nobody, ...policy } })
}

function aMonitor(monitor: object): void {
  monitors.read({ monitor: { type: 'HTTP', delay: 1, timeout: 1, max_retries: 1, pool_id: nobody, ...monitor } })
}

function aPersistence(protocol: 'HTTP' | 'UDP', session_persistence: object): void {
  const read = pools.read({ pool: { protocol, lb_algorithm: 'ROUND_ROBIN', session_persistence } })
  checkSessionPersistence(protocol, read.session_persistence, 'create')
}

/** What the API says of a value in its field; throws what it refuses. */
const checks: Record<Name, (value: string) => void> = {
  name: (name) => aPolicy({ name, description: name, tags: [name] }),
  project: (project_id) => aPolicy({ project_id }),
  header: (value) => aRule({ type: 'HEADER', key: 'k', value }),
  headerName: (key) => aRule({ type: 'HEADER', key }),
  cookie: (value) => aRule({ type: 'COOKIE', key: 'k', value }),
  cookieName: (key) => aRule({ type: 'COOKIE', key }),
  host: (value) => aRule({ type: 'HOST_NAME', value }),
  pathStart: (value) => aRule({ type: 'PATH', compare_type: 'STARTS_WITH', value }),
  file: (value) => aRule({ type: 'FILE_TYPE', value }),
  expression: (value) => aRule({ type: 'PATH', compare_type: 'REGEX', value }),
  subject: (value) => aRule({ type: 'SSL_DN_FIELD', key: 'CN', value }),
  subjectField: (key) => aRule({ type: 'SSL_DN_FIELD', key }),
  sessionCookie: (cookie_name) => aPersistence('HTTP', { type: 'APP_COOKIE', cookie_name }),
  url: (redirect_url) => aPolicy({ redirect_url }),
  prefix: (redirect_prefix) => aPolicy({ redirect_prefix }),
  path: (url_path) => aMonitor({ url_path }),
  domain: (domain_name) => aMonitor({ domain_name, http_version: 1.1 }),
  ciphers: (tls_ciphers) => {
    checkCiphers(tls_ciphers, defaultConfig)
    checkPoolServable(provider, aPoolRow({ tls_enabled: true, tls_ciphers, tls_versions: ['TLSv1.2', 'TLSv1.3'] }))
  },
  reference: () => undefined,
  granularity: (persistence_granularity) => aPersistence('UDP', { type: 'SOURCE_IP', persistence_granularity }),
}
