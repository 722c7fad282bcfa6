/** No list reads a whole table to show a part of it. Asked of SQLite, which decides by the shape of a query alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledQuery, type KyselyPlugin, type RootOperationNode, SelectQueryNode } from 'kysely'
import { aCloud } from '../../test/support/cloud.ts'
import { aDatabase } from '../../test/support/databases.ts'

const id = '7e9d2b3c-1111-4a4a-9b9b-000000000001'

const lists = [
  '/v2/lbaas/loadbalancers',
  '/v2/lbaas/loadbalancers?name=x',
  '/v2/lbaas/loadbalancers?sort=name&limit=10',
  '/v2/lbaas/loadbalancers?sort=name:desc&limit=10',
  '/v2/lbaas/loadbalancers?sort=id&limit=10',
  '/v2/lbaas/loadbalancers?sort=created_at:desc,id:desc&limit=10',
  '/v2/lbaas/loadbalancers?limit=10&marker=MARKER',
  '/v2/lbaas/loadbalancers?limit=10&marker=MARKER&page_reverse=True',
  '/v2/lbaas/loadbalancers?limit=10&marker=MARKER&sort=name',
  '/v2/lbaas/loadbalancers/MARKER',
  ...['listeners', 'pools', 'healthmonitors', 'l7policies'].flatMap((collection) => [
    `/v2/lbaas/${collection}`,
    `/v2/lbaas/${collection}?name=x`,
    `/v2/lbaas/${collection}?sort=name&limit=10`,
  ]),
  `/v2/lbaas/listeners?load_balancer_id=${id}`,
  `/v2/lbaas/pools?loadbalancer_id=${id}`,
  `/v2/lbaas/l7policies?listener_id=${id}`,
  '/v2/lbaas/pools/POOL/members',
  '/v2/lbaas/pools/POOL/members?name=x',
  '/v2/lbaas/l7policies/L7POLICY/rules',
  '/v2/octavia/amphorae?limit=10',
  `/v2/octavia/amphorae?loadbalancer_id=${id}`,
]

for (const project of [undefined, 'project-1']) {
  test(`lists ${project === undefined ? 'of all projects' : 'of one project'} find their rows by indexes`, async () => {
    const db = await aDatabase()
    const queries: RootOperationNode[] = []
    const recorder: KyselyPlugin = {
      transformQuery({ node }) {
        if (SelectQueryNode.is(node)) queries.push(node)
        return node
      },
      async transformResult({ result }) {
        return result
      },
    }
    const { cloud, api, pool, listener } = await aCloud({ db: db.withPlugin(recorder) }).withPool()
    const l7policy = await api.createL7Policy(listener, { action: 'REJECT' })
    await api.waitFor(`/v2/lbaas/l7policies/${l7policy.id}`)
    const [marker] = await api.list('/v2/lbaas/loadbalancers')
    const names: Record<string, string> = { MARKER: marker!.id, POOL: pool.id, L7POLICY: l7policy.id }
    for (const pattern of lists) {
      const path = pattern.replace(/[A-Z0-9]{4,}\b/, (name) => names[name] ?? name)
      const scope =
        project === undefined || /\/amphorae|MARKER$|sort=id/.test(pattern) ? '' : `${path.includes('?') ? '&' : '?'}project_id=${project}`
      queries.length = 0
      await api.expect(200, 'GET', path + scope)
      for (const node of queries.splice(0)) {
        const { sql, parameters } = cloud.db.getExecutor().compileQuery(node, { queryId: 'plan' } as never)
        const { rows } = await db.executeQuery<{ detail: string }>(CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]))
        const plan = rows.map(({ detail }) => detail)
        // The children of what is on the page are few, wherever they are sorted.
        const isPage = / limit \?$/.test(sql)
        const bad = plan.filter((step) => /^SCAN (?!.*USING|children)/.test(step) || (isPage && step.endsWith('TEMP B-TREE FOR ORDER BY')))
        assert.deepEqual(bad, [], `${path}${scope}\n${sql}\n${plan.join('\n')}`)
      }
    }
  })
}
