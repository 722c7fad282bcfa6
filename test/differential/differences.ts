/**
 * The intended differences from Octavia, each a small rule with the name by which `docs/differences.md` explains it. What no rule speaks of
 * has to be the same.
 */
import type { Mismatch } from './compare.ts'
import type { Answer } from './http.ts'
import type { Exchange } from './play.ts'

export interface Rule {
  name: string
  /** Whether it explains that mismatch of the exchange. */
  explains(mismatch: Mismatch, exchange: Exchange): boolean
}

interface Verdict {
  mismatches: Mismatch[]
  listed: string[]
}

/** Keys that Octavia 11 did not have yet. */
const newerKeys = new Set(['vip_vnic_type', 'vip_sg_ids', 'vnic_type', 'hsts_max_age', 'hsts_include_subdomains', 'hsts_preload'])

const absent = Symbol.for('absent')

/** Ours answers with a fault of the handler's shape and that status. */
const isFault = ({ status, body }: Answer, ...statuses: number[]) =>
  statuses.includes(status) && typeof (body as { faultstring?: unknown }).faultstring === 'string'

export const rules: Rule[] = [
  {
    name: 'newer-keys',
    explains: ({ at, theirs }) =>
      (theirs === absent && (at.startsWith('body.quota.') || newerKeys.has(at.split('.').at(-1)!))) || /^body\.\w+_capabilities/.test(at),
  },
  {
    name: 'newer-versions',
    explains: ({ at }, { step }) => step.path === '/' && at === 'body.versions',
  },
  {
    name: 'newer-texts',
    explains: ({ at, theirs, ours }) =>
      at === 'body.faultstring' && newerTexts.some(([older, newer]) => older.test(String(theirs)) && newer.test(String(ours))),
  },
  {
    name: 'not-acceptable-in-words',
    explains: (_, { request, ours }) => ours.status === 406 && !(request.headers.accept ?? 'json').includes('json'),
  },
  {
    name: 'no-op-addresses',
    explains: ({ at, theirs, ours }, exchange) =>
      (at.endsWith('.vip_address') && theirs === '198.0.2.5' && ours === '198.51.100.1') ||
      says(exchange.theirs, 400, /All VIP subnets must belong to the same network|VIP port's subnet could not be determined/),
  },
  {
    name: 'no-internal-errors',
    explains: (_, { theirs, ours }) => theirs.status === 500 && isFault(ours, 400, 404, 409),
  },
  {
    name: 'null-is-the-default',
    explains: (mismatch, { request, theirs, ours }) =>
      (theirs.status === 500 && ours.status < 300 && (request.body ?? '').includes('null')) ||
      (mismatch.at.endsWith('.connection_limit') && mismatch.theirs === null && mismatch.ours === -1) ||
      (mismatch.at.endsWith('.weight') && mismatch.theirs === null && mismatch.ours === 1),
  },
  {
    name: 'json-only',
    explains: (_, { theirs, ours }) => isFault(ours, 415) && [400, 404, 415, 500].includes(theirs.status),
  },
  {
    name: 'no-post-to-an-object',
    explains: (_, { step, theirs, ours }) => step.method === 'POST' && isFault(theirs, 400) && ours.status === 405,
  },
  {
    name: 'null-is-missing',
    explains: (_, { request, theirs, ours }) =>
      /null|\{\}/.test(request.body ?? '') &&
      theirs.status >= 400 &&
      says(ours, 400, /^Invalid input .* Value: 'None'\. Mandatory field missing\.$/),
  },
  {
    name: 'a-redirect-keeps-its-target',
    explains: (_, { step, theirs, ours }) =>
      step.method === 'PUT' && theirs.status === 200 && says(ours, 400, /^Invalid L7 Policy arguments: redirect_\w+ must not be None$/),
  },
  {
    name: 'pools-fit-their-listener',
    explains: (_, { step, request, ours }) =>
      step.method === 'POST' &&
      /"listener_id".*"loadbalancer_id"/.test(request.body ?? '') &&
      (says(ours, 404, /^Listener \S+ not found/) || says(ours, 400, /The pool protocol|cannot have child objects/)),
  },
  {
    name: 'pages-backwards',
    explains: (_, { step, theirs, ours }) => /[?&]page_reverse=/i.test(step.path) && bothOk(theirs, ours),
  },
  {
    name: 'addresses-are-text',
    explains: (_, { ours }) => says(ours, 400, /Value: '(True|False|\d+)'\. Value should be IPv4 or IPv6 format/),
  },
  {
    name: 'faults-name-tenant-id',
    explains: ({ at, ours }, { request }) =>
      at === 'body.faultstring' && /"tenant_id"/.test(request.body ?? '') && /attribute tenant_id\./.test(String(ours)),
  },
  {
    name: 'children-come-with-a-whole',
    explains: (_, { theirs, ours }) => theirs.status >= 400 && says(ours, 400, /can only be given in the create of a whole load balancer/),
  },
  {
    name: 'first-missing-pool',
    explains: (_, { theirs, ours }) =>
      [theirs, ours].every((answer) => says(answer, 400, /was referenced but no full definition was found/)),
  },
  {
    name: 'batches-keep-subnets',
    explains: ({ at, theirs }) => /\.members?(\.\d+)?\.subnet_id$/.test(at) && typeof theirs === 'string',
  },
  {
    name: 'profiles-are-looked-up-first',
    explains: (_, { step, theirs, ours }) =>
      step.method === 'PUT' && says(theirs, 400, /not a valid option for \w+_data/) && says(ours, 404, /Profile/),
  },
  {
    name: 'numbers-have-32-bits',
    explains: (_, { ours }) => says(ours, 400, /Value should be lower or equal to 2147483647/),
  },
  {
    name: 'regular-expressions',
    explains: ({ at, theirs, ours }) =>
      at === 'body.faultstring' && [theirs, ours].every((text) => /Unable to parse regular expression/.test(String(text))),
  },
  {
    name: 'trees-are-checked',
    explains: (_, { step, theirs, ours }) =>
      step.method === 'POST' && /loadbalancers$/.test(step.path) && theirs.status === 201 && says(ours, 400, /^Validation failure/),
  },
  {
    name: 'lists-by-id',
    explains: ({ at }, { step }) =>
      at.startsWith('body.') &&
      (/[?&]sort(_key)?=[^&]*(\b|%2C)id(\b|%)/.test(step.path) || /(flavors|profiles)[^?]*\?.*(limit|marker)=/.test(step.path)),
  },
  {
    name: 'no-html',
    explains: ({ at }, { theirs, ours }) =>
      (at === 'headers.content-type' || at.startsWith('body')) &&
      theirs.status === ours.status &&
      String(theirs.headers['content-type']).startsWith('text/html'),
  },
  {
    name: 'nothing-more-to-say',
    explains: ({ at, theirs, ours }) => at === 'body.description' && theirs === null && ours === '',
  },
  {
    name: 'no-op-profile-data',
    explains: (_, { step, theirs, ours }) => /profiles/.test(step.path) && theirs.status === 500 && ours.status < 300,
  },
  {
    name: 'a-member-once-in-a-batch',
    explains: (_, { theirs, ours }) => says(ours, 400, /Member must be updated only once/) && [202, 409].includes(theirs.status),
  },
  {
    name: 'no-change-needs-no-lock',
    explains: (_, { step, theirs, ours }) =>
      step.method === 'PUT' && /members(\?|$)/.test(step.path) && says(theirs, 409, /immutable/) && ours.status === 202,
  },
  {
    name: 'monitor-in-the-tree',
    explains: ({ at, theirs, ours }, { step }) =>
      step.method === 'POST' &&
      ((at.endsWith('.healthmonitor') && theirs === null && ours !== null) ||
        (at.endsWith('.operating_status') && theirs === 'NO_MONITOR' && ours === 'OFFLINE')),
  },
  {
    name: 'no-alpn-is-none',
    explains: ({ at, theirs, ours }) => at.endsWith('.alpn_protocols') && Array.isArray(theirs) && theirs.length === 0 && ours === null,
  },
  {
    name: 'never-updated-when-new',
    explains: ({ at, theirs, ours }, { step }) =>
      step.method === 'POST' && at.endsWith('.updated_at') && typeof theirs === 'string' && ours === null,
  },
  {
    name: 'no-name-is-the-empty-name',
    explains: (_, { step, theirs, ours }) =>
      step.method === 'GET' && /[?&](name|description)=(&|$)/.test(step.path) && bothOk(theirs, ours),
  },
  {
    name: 'unknown-paths-are-not-found',
    explains: (_, { step, theirs, ours }) => /\/nope(\?|$)/.test(step.path) && theirs.status < 500 && ours.status === 404,
  },
  {
    name: 'equal-tags-are-one',
    explains: (_, { request, theirs }) => namesOneTwice(request.body) && theirs.status >= 400,
  },
  {
    name: 'tenant-id-can-be-selected',
    explains: ({ at, theirs }, { step }) => /[?&]fields=tenant_id(&|$)/.test(step.path) && at.endsWith('.tenant_id') && theirs === absent,
  },
]

function says({ status, body }: Answer, wanted: number, words: RegExp): boolean {
  return status === wanted && words.test(String((body as { faultstring?: unknown }).faultstring))
}

const newerTexts: [RegExp, RegExp][] = [[/IP version incompatible with VIP /, /IP version incompatible with all VIPs /]]

const bothOk = (...answers: Answer[]) => answers.every(({ status }) => status === 200)

/** A tag or an allowed range. */
function namesOneTwice(body: string | undefined): boolean {
  return [...(body ?? '').matchAll(/"(?:tags|allowed_cidrs)":(\[[^\]]*\])/g)].some(([, list]) => {
    const items = JSON.parse(list!) as unknown[]
    return new Set(items).size < items.length
  })
}

export function judge(exchange: Exchange, compare: (theirs: Answer, ours: Answer) => Mismatch[]): Verdict {
  const listed = new Set<string>()
  const mismatches = compare(exchange.theirs, exchange.ours).filter((mismatch) => {
    const rule = rules.find(({ explains }) => explains(mismatch, exchange))
    if (rule) listed.add(rule.name)
    return rule === undefined
  })
  return { mismatches, listed: [...listed] }
}
