import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'
import { privateSubnetId } from '../support/private-subnet.ts'

test('no key, token or password is found in the database, in the logs or in the history of flows', async () => {
  const controller = await new Controller({ portBase: 22_300 }).start()
  const { stateDirectory } = controller
  try {
    const token = await controller.token()
    const created = await controller.request<{ loadbalancer: { id: string } }>('POST', '/v2/lbaas/loadbalancers', token, {
      loadbalancer: { name: 'secretive', vip_subnet_id: await privateSubnetId(controller) },
    })
    const { id } = created.body.loadbalancer
    await eventually(async () => {
      const { body } = await controller.request<{ loadbalancer: { provisioning_status: string } }>(
        'GET',
        `/v2/lbaas/loadbalancers/${id}`,
        token,
      )
      return body.loadbalancer.provisioning_status === 'ACTIVE'
    }, 10_000)
    const { body } = await controller.request<{ amphorae: { compute_id: string }[] }>('GET', '/v2/octavia/amphorae', token)
    const inside = async (path: string) => controller.ottavia('lab', 'amphora', 'exec', body.amphorae[0]!.compute_id, '--', 'cat', path)
    const serverPem = await inside('/etc/octavia/certs/server.pem')

    const secrets: Record<string, string> = {
      token,
      'password of admin': controller.credentials().OS_PASSWORD!,
      'password of demo': controller.credentials('openrc-demo').OS_PASSWORD!,
      "key of an agent's certificate": keyLine(serverPem),
    }
    for (const name of ['heartbeat.key', 'server-certificates.key']) secrets[name] = readFileSync(join(stateDirectory, name), 'utf8').trim()
    for (const name of ['server_ca.key', 'client_ca.key', 'client.pem'])
      secrets[name] = keyLine(readFileSync(join(stateDirectory, 'certs', name), 'utf8'))

    const places: Record<string, string> = { 'output of the controller': controller.output }
    for (const name of ['ottavia.db', 'ottavia.db-wal']) {
      const path = join(stateDirectory, name)
      if (existsSync(path)) places[name] = readFileSync(path, 'latin1')
    }
    for (const name of readdirSync(join(stateDirectory, 'log'))) places[name] = readFileSync(join(stateDirectory, 'log', name), 'latin1')
    places['flow list'] = await controller.ottavia('flow', 'list')
    const [flowId] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(places['flow list']) ?? []
    assert.ok(flowId !== undefined, 'the history has the flow that made the load balancer')
    places['flow show'] = await controller.ottavia('flow', 'show', flowId)
    assert.match(places['flow show'], /create-load-balancer/)

    for (const [secret, value] of Object.entries(secrets)) {
      assert.ok(value.length >= 8, `${secret} is known`)
      for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(value), `the ${secret} is in ${place}`)
    }
  } finally {
    await controller.down()
  }
})

/** A line from the middle of the private key in the PEM: enough to recognise it, however its lines are wrapped. */
function keyLine(pem: string): string {
  const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----\n([\s\S]+?)-----END/.exec(pem)?.[1] ?? ''
  return key.split('\n').filter(Boolean).at(-1)!
}
