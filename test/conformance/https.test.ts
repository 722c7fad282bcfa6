/** The README's "HTTPS in three commands", as the user demo types them, and what another project's reference is good for: nothing. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exec } from '../../src/lib/exec.ts'
import { ClientSession } from '../support/client-session.ts'
import { Controller } from '../support/controller.ts'
import { eventually } from '../support/eventually.ts'

const skip = existsSync('/usr/lib/python3/dist-packages/barbicanclient') ? false : 'python3-barbicanclient is not installed'
const SERVES_WITHIN_MS = 5_000
const RENEWED_WITHIN_MS = 15_000

test(`HTTPS in three commands${skip ? ` (skipped: ${skip})` : ''}`, { skip }, async () => {
  const controller = await new Controller({ portBase: 24_600, config: '[certificates]\nrenewal_check_interval = 1\n' }).start()
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-https-'))
  const sessions = (['openrc-demo', 'openrc'] as const).map((file) => new ClientSession('openstack', controller.credentials(file)))
  const [demo, admin] = sessions as [ClientSession, ClientSession]
  try {
    const file = (name: string) => join(directory, name)
    const certificate = async (name: string): Promise<Buffer> => {
      const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:www.example.org']
      const made = ['-nodes', '-newkey', 'rsa:2048', '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)]
      await exec('openssl', ['req', '-x509', '-days', '30', ...subject, ...made])
      const bundle = ['-in', file(`${name}.pem`), '-inkey', file(`${name}.key`), '-passout', 'pass:', '-out', file(`${name}.p12`)]
      await exec('openssl', ['pkcs12', '-export', ...bundle])
      const { stdout } = await exec('base64', [file(`${name}.p12`)])
      return Buffer.from(stdout)
    }
    const store = async (session: ClientSession, payload: Buffer) => {
      const options = ['-t', 'application/octet-stream', '-e', 'base64', '--payload', payload.toString()]
      return session.run('secret', 'store', '--name', 'www', ...options, '-f', 'value', '-c', 'Secret href')
    }
    const ref = await store(demo, await certificate('first'))
    const others = await store(admin, await certificate('others'))

    const { vip_address } = await demo.json('loadbalancer', 'create', '--name', 'lb', '--vip-subnet-id', 'private-subnet', '--wait')
    const https = ['loadbalancer', 'listener', 'create', '--protocol', 'TERMINATED_HTTPS', '--protocol-port']
    assert.match(
      await demo.refused(...https, '444', '--default-tls-container-ref', others, 'lb'),
      /Could not retrieve certificate: \['http/,
    )
    await demo.run(...https, '443', '--default-tls-container-ref', ref, '--wait', 'lb')

    const at = ['--connect-to', `www.example.org:443:${vip_address}:443`, '--silent', '--max-time', '3']
    const answer = async (ca: string) =>
      (await exec('curl', [...at, '--cacert', file(ca), '-w', '%{http_code}', 'https://www.example.org/'])).stdout
    // There is no pool yet, and HAProxy says so.
    assert.ok(await eventually(async () => (await answer('first.pem').catch(() => '')).endsWith('503'), SERVES_WITHIN_MS))

    // In the state there are the database, the flows' journal and the logs, and in none of them the private key.
    const [, keyLine] = readFileSync(file('first.key'), 'utf8').split('\n')
    const isInState = async (text: string) =>
      (await exec('grep', ['-rqF', text, controller.stateDirectory], { anyStatus: true })).code === 0
    assert.deepEqual([await isInState(ref), await isInState(keyLine!)], [true, false])

    await certificate('second')
    const env = { ...process.env, ...controller.credentials('openrc-demo') }
    await exec(controller.program, ['secret', 'renew', ref, '--file', file('second.p12')], { env })
    const got = ['secret', 'get', ref, '--file', file('got.p12'), '-t', 'application/octet-stream']
    await demo.run(...got)
    await exec('cmp', [file('got.p12'), file('second.p12')])
    assert.ok(await eventually(async () => (await answer('second.pem').catch(() => '')).endsWith('503'), RENEWED_WITHIN_MS))
    await assert.rejects(exec(controller.program, ['secret', 'renew', others, '--file', file('second.p12')], { env }), /not allowed/)
  } finally {
    for (const session of sessions) session.close()
    await controller.down()
    rmSync(directory, { recursive: true })
  }
})
