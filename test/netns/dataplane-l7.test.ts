/** L7 policies: every type of rule with every comparison, on its own and inverted; actions, their order and codes; what is switched off. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Asked } from './support/asker.ts'
import { type Client, DataPlane, type Made } from './support/data-plane.ts'

type Compare = 'REGEX' | 'STARTS_WITH' | 'ENDS_WITH' | 'CONTAINS' | 'EQUAL_TO'
type Request = Pick<Asked, 'headers'> & { path?: string }
type RuleCase = { type: string; compare_type: Compare; key?: string; value: string; hits: Request[]; misses: Request[] }

const host = (name: string): Request => ({ headers: { host: name } })
const path = (value: string): Request => ({ path: value })
const header = (value: string): Request => ({ headers: { 'x-kind': value } })
const cookie = (value: string): Request => ({ headers: { cookie: `other=1; kind=${value}` } })

/** What each comparison is asked about: a value, what it holds for and what it doesn't. */
const comparisons: Record<Compare, { value: string; hits: string[]; misses: string[] }> = {
  REGEX: { value: '^/?a+b$', hits: ['ab', 'aaab'], misses: ['b', 'abc'] },
  STARTS_WITH: { value: 'ab', hits: ['ab', 'abc'], misses: ['a', 'xab'] },
  ENDS_WITH: { value: 'yz', hits: ['yz', 'xyz'], misses: ['z', 'yzx'] },
  CONTAINS: { value: 'mn', hits: ['mn', 'lmno'], misses: ['m-n', 'nm'] },
  EQUAL_TO: { value: 'exact', hits: ['exact'], misses: ['exactly', 'inexact'] },
}

const ruleCases: RuleCase[] = Object.entries(comparisons).flatMap(([name, { value, hits, misses }]) => {
  const compare_type = name as Compare
  const onPaths = compare_type === 'STARTS_WITH' || compare_type === 'EQUAL_TO' ? `/${value}` : value
  return [
    { type: 'HOST_NAME', compare_type, value, hits: [...hits, hits[0]!.toUpperCase()].map(host), misses: misses.map(host) },
    {
      type: 'PATH',
      compare_type,
      value: onPaths,
      hits: hits.map((text) => path(`/${text}?q=1`)),
      misses: misses.map((text) => path(`/${text}`)),
    },
    { type: 'HEADER', compare_type, key: 'X-Kind', value, hits: hits.map(header), misses: [...misses.map(header), {}] },
    { type: 'COOKIE', compare_type, key: 'kind', value, hits: hits.map(cookie), misses: [...misses.map(cookie), {}] },
  ]
})
ruleCases.push(
  { type: 'FILE_TYPE', compare_type: 'EQUAL_TO', value: 'jpg', hits: [path('/a/b.jpg')], misses: [path('/jpg'), path('/a.jpg/b')] },
  { type: 'FILE_TYPE', compare_type: 'REGEX', value: '^(png|gif)$', hits: [path('/x.png'), path('/x.y.gif')], misses: [path('/png.txt')] },
)

/** Each case has a policy of its own, chosen by a header, that answers with a redirect; and one with the rule inverted. */
const CASE_HEADER = 'x-case'
const caseRule = (name: string) => ({ type: 'HEADER', compare_type: 'EQUAL_TO', key: CASE_HEADER, value: name })
const hitUrl = 'http://hit.example'

const rulePolicies = ruleCases.flatMap(({ hits: _, misses: __, ...rule }, index) =>
  [false, true].map((invert) => ({
    action: 'REDIRECT_TO_URL',
    redirect_url: `${hitUrl}/${index}`,
    rules: [caseRule(`${index}-${invert}`), { ...rule, invert }],
  })),
)

const on = (value: string) => [{ type: 'PATH', compare_type: 'EQUAL_TO', value }]
const codes = [301, 302, 303, 307, 308]

describe('l7policies', () => {
  let plane: DataPlane
  let client: Client
  let made: Made

  before(async () => {
    plane = await DataPlane.start({ portBase: 24_000 })
    const address = await plane.members('web', { http: [8001, 8002, 8003] })
    client = await plane.client('client')
    const pool = (name: string, protocol_port: number) => ({
      name,
      protocol: 'HTTP',
      lb_algorithm: 'ROUND_ROBIN',
      members: [{ address, protocol_port }],
    })
    const toPool = (name: string, rules: object[], more: object = {}) => ({
      name,
      action: 'REDIRECT_TO_POOL',
      redirect_pool: { name: 'special' },
      rules,
      ...more,
    })
    made = await plane.loadBalancer({
      pools: [pool('special', 8002)],
      listeners: [
        { name: 'rules', protocol: 'HTTP', protocol_port: 81, default_pool: pool('plain', 8001), l7policies: rulePolicies },
        {
          name: 'actions',
          protocol: 'HTTP',
          protocol_port: 82,
          default_pool: { name: 'plain' },
          l7policies: [
            // Pools come last and refusals first, whatever the positions are; among equals positions decide.
            toPool('everything', [{ type: 'PATH', compare_type: 'STARTS_WITH', value: '/first' }], { position: 1 }),
            { action: 'REDIRECT_TO_URL', redirect_url: 'http://second.example/', rules: on('/first/url'), position: 2 },
            { action: 'REDIRECT_TO_URL', redirect_url: 'http://third.example/', rules: on('/first/url'), position: 3 },
            { action: 'REDIRECT_TO_URL', redirect_url: 'http://never.example/', rules: on('/first/no'), position: 4 },
            { action: 'REJECT', rules: on('/first/no'), position: 5 },
            { action: 'REDIRECT_PREFIX', redirect_prefix: 'https://prefix.example:8443', rules: on('/prefix') },
            ...codes.flatMap((redirect_http_code) => [
              {
                action: 'REDIRECT_TO_URL',
                redirect_url: 'http://url.example/',
                redirect_http_code,
                rules: on(`/url/${redirect_http_code}`),
              },
              {
                action: 'REDIRECT_PREFIX',
                redirect_prefix: 'http://p.example',
                redirect_http_code,
                rules: on(`/prefix/${redirect_http_code}`),
              },
            ]),
            toPool('two rules', [
              { type: 'PATH', compare_type: 'STARTS_WITH', value: '/both' },
              { type: 'HEADER', compare_type: 'EQUAL_TO', key: 'x-both', value: 'yes' },
            ]),
            toPool('switched', on('/switched')),
            { name: 'no rules', action: 'REJECT' },
          ],
        },
      ],
    })
  })
  after(() => plane?.stop())

  test('every type of rule with every comparison holds for what it should and for nothing else, and the other way round when inverted', async () => {
    const asked = ruleCases.flatMap(({ type, compare_type, hits, misses }, index) =>
      [false, true].flatMap((invert) =>
        [...hits.map((request) => ({ request, holds: true })), ...misses.map((request) => ({ request, holds: false }))].map(
          ({ request, holds }) => ({
            what: `${type} ${compare_type} ${invert ? 'inverted' : ''} ${JSON.stringify(request)}`,
            url: `http://${made.vip}:81${request.path ?? '/'}`,
            headers: { ...request.headers, [CASE_HEADER]: `${index}-${invert}` },
            wanted: holds !== invert ? `${hitUrl}/${index}` : 'member',
          }),
        ),
      ),
    )
    const answers = await client.ask(...asked)
    const got = answers.map(({ status, headers }) => (status === 302 ? headers.location : status === 200 ? 'member' : `status ${status}`))
    assert.deepEqual(
      asked.map(({ what }, index) => `${what}: ${got[index]}`),
      asked.map(({ what, wanted }) => `${what}: ${wanted}`),
    )
    assert.ok(asked.length > 150)
  })

  const visit = async (path: string, headers: Record<string, string> = {}) => {
    const [answer] = await client.ask({ url: `http://${made.vip}:82${path}`, headers })
    return answer!.headers['x-member'] ?? `${answer!.status} ${answer!.headers.location ?? ''}`.trim()
  }

  test('refusals come first, then redirects, then pools; among equals the position decides', async () => {
    assert.equal(await visit('/first/other'), '8002')
    assert.equal(await visit('/first/url'), '302 http://second.example/')
    assert.equal(await visit('/first/no'), '403')
    assert.equal(await visit('/none'), '8001')
  })

  test('redirects have their codes; a prefix keeps path and query', async () => {
    assert.equal(await visit('/prefix?a=1&b=2'), '302 https://prefix.example:8443/prefix?a=1&b=2')
    for (const code of codes) {
      assert.equal(await visit(`/url/${code}`), `${code} http://url.example/`)
      assert.equal(await visit(`/prefix/${code}`), `${code} http://p.example/prefix/${code}`)
    }
  })

  test('a policy needs all of its rules', async () => {
    assert.equal(await visit('/both', { 'x-both': 'yes' }), '8002')
    assert.equal(await visit('/both', { 'x-both': 'no' }), '8001')
    assert.equal(await visit('/other', { 'x-both': 'yes' }), '8001')
  })

  test('a policy, a rule and a pool that are switched off have no effect, and have it again when they are switched on', async () => {
    const policy = `/v2/lbaas/l7policies/${made.policies.switched}`
    const { rules } = await plane.get<{ rules: { id: string }[] }>(`${policy}/rules`)
    const switches = [
      { path: policy, key: 'l7policy' },
      { path: `${policy}/rules/${rules[0]!.id}`, key: 'rule' },
      { path: `/v2/lbaas/pools/${made.pools.special}`, key: 'pool' },
    ]
    for (const { path, key } of switches) {
      assert.equal(await visit('/switched'), '8002')
      await plane.change(made, 'PUT', path, { [key]: { admin_state_up: false } })
      assert.equal(await visit('/switched'), '8001', `${key} is off`)
      await plane.change(made, 'PUT', path, { [key]: { admin_state_up: true } })
    }
    assert.equal(await visit('/switched'), '8002')
  })

  test('a policy that moves to another position takes its turn there', async () => {
    const { l7policies } = await plane.get<{ l7policies: { id: string; redirect_url: string }[] }>('/v2/lbaas/l7policies')
    const third = l7policies.find(({ redirect_url }) => redirect_url === 'http://third.example/')!
    await plane.change(made, 'PUT', `/v2/lbaas/l7policies/${third.id}`, { l7policy: { position: 1 } })
    assert.equal(await visit('/first/url'), '302 http://third.example/')
  })
})
