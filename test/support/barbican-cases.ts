/** What the Barbican driver does with secrets of two projects: the same beside the embedded store, which answers as Barbican does, and beside a real one. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { loadConfig } from '../../src/config/config.ts'
import { BarbicanCertificates } from '../../src/drivers/certificates/barbican.ts'
import { certificatesContract } from '../../src/drivers/certificates/contract.ts'
import type { CertificateBundle, ServiceReader, UserReader } from '../../src/drivers/certificates/driver.ts'
import { NotFoundError } from '../../src/drivers/errors.ts'
import { type OpenStackSession, openStackSession } from '../../src/drivers/openstack/session.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { aCertificate } from './certificates.ts'
import { call } from './embedded-services.ts'
import type { KeystoneAdmin } from './keystone-admin.ts'

export interface BarbicanPlace {
  admin: KeystoneAdmin
  /** The root of /v1. */
  url: string
  /** Of the user `octavia` on the project `service`. */
  password: string
  close(): Promise<void>
}

type Owner = UserReader & { project_id: string; user_id: string; token: string }

/** As `[service_auth]` would name it; waits between attempts are none. */
export function openBarbican(auth_url: string, password: string): { session: OpenStackSession; driver: BarbicanCertificates } {
  const login = { auth_url, username: 'octavia', password, project_name: 'service' }
  const config = loadConfig({ stateDirectory: '/nonexistent', overrides: { service_auth: login } })
  const session = openStackSession({ config, clock: systemClock, log: createLog('silent'), sleep: async () => {} })
  return { session, driver: new BarbicanCertificates(session, config) }
}

export function barbicanCases(name: string, open: () => Promise<BarbicanPlace>): void {
  describe(name, () => {
    let place: BarbicanPlace
    let content: CertificateBundle
    before(async () => {
      place = await open()
      const authority = await aCertificate({ name: 'CA', isAuthority: true })
      const { certificate, private_key } = await aCertificate({ issuer: authority })
      content = { certificate: certificate.trim(), private_key: private_key.trim(), intermediates: [authority.certificate.trim()] }
    })
    after(() => place?.close())

    /** Somebody in a project of his own, or in that one, who may keep secrets there by Barbican's old roles and by its new ones. */
    async function person(project_id?: string): Promise<Owner> {
      const project = project_id === undefined ? await place.admin.createProject() : { id: project_id }
      const { user, token } = await place.admin.person({ project: { id: project.id } }, ['creator', 'member'])
      return { project_id: project.id, user_id: user.id, token }
    }

    async function store({ token }: Owner, payload: string | Buffer): Promise<string> {
      const body =
        typeof payload === 'string'
          ? { payload, payload_content_type: 'text/plain' }
          : { payload: payload.toString('base64'), payload_content_type: 'application/octet-stream', payload_content_encoding: 'base64' }
      const answer = await call('POST', `${place.url}/v1/secrets`, token, body)
      assert.equal(answer.status, 201, JSON.stringify(answer.body))
      return String(answer.body.secret_ref)
    }

    async function contain(owner: Owner, { certificate, private_key, intermediates }: CertificateBundle): Promise<string> {
      const secret_refs: { name: string; secret_ref: string }[] = []
      for (const [name, payload] of Object.entries({ certificate, private_key, intermediates: intermediates.join('\n') })) {
        secret_refs.push({ name, secret_ref: await store(owner, payload) })
      }
      const { status, body } = await call('POST', `${place.url}/v1/containers`, owner.token, { type: 'certificate', secret_refs })
      assert.equal(status, 201, JSON.stringify(body))
      return String(body.container_ref)
    }

    const put = async (reference: string, { token }: Owner, read: object) => {
      const { status, body } = await call('PUT', `${reference}/acl`, token, { read })
      assert.equal(status, 200, JSON.stringify(body))
    }
    const serviceOf = ({ project_id }: Owner): ServiceReader => ({ project_id, service: true })

    certificatesContract(`${name}, a container`, async () => {
      const { session, driver } = openBarbican(place.admin.v3, place.password)
      const owner = await person()
      return {
        driver,
        owner,
        stranger: await person(),
        bundle: { reference: await contain(owner, content), content },
        secret: { reference: await store(owner, content.certificate), text: content.certificate },
        async consumersOf(reference) {
          const { body } = await call('GET', `${reference}/consumers`, owner.token, undefined, {
            'openstack-api-version': 'key-manager 1.1',
          })
          const found = body.consumers as { URL?: string; resource_id?: string }[]
          return found.map(({ URL, resource_id }) => resource_id ?? URL!.split('/').at(-1)!)
        },
        close: async () => session.close(),
      }
    })

    describe('who may read', () => {
      let opened: ReturnType<typeof openBarbican>
      let owner: Owner
      before(async () => {
        opened = openBarbican(place.admin.v3, place.password)
        owner = await person()
      })
      after(() => opened?.session.close())

      test('the service may not, until somebody who may has named it; the list keeps everything else', async () => {
        const { driver, session } = opened
        const reference = await store(owner, 'text')
        await put(reference, owner, { users: ['a friend'], 'project-access': false })
        await assert.rejects(driver.getSecret(reference, serviceOf(owner)), NotFoundError)
        await driver.getSecret(reference, owner)
        assert.equal(await driver.getSecret(reference, serviceOf(owner)), 'text')
        await driver.getSecret(reference, owner)
        const { user_id } = await session.who()
        const { read } = (await call('GET', `${reference}/acl`, owner.token)).body as {
          read: { users: string[]; 'project-access': boolean }
        }
        assert.deepEqual([read.users.sort(), read['project-access']], [['a friend', user_id].sort(), false])
      })

      test('a secret that is private to a colleague is not there', async () => {
        const colleague = await person(owner.project_id)
        const reference = await store(owner, 'text')
        await put(reference, owner, { 'project-access': false })
        await assert.rejects(opened.driver.getSecret(reference, colleague), NotFoundError)
        await put(reference, owner, { 'project-access': true })
        assert.equal(await opened.driver.getSecret(reference, colleague), 'text')
      })

      test('whom the owner has listed may name it only once the owner has listed the service as well', async () => {
        const { driver, session } = opened
        const reference = await store(owner, 'text')
        const friend = await person()
        const { user_id } = await session.who()
        await put(reference, owner, { users: [friend.user_id] })
        await assert.rejects(driver.getSecret(reference, friend), NotFoundError)
        await put(reference, owner, { users: [friend.user_id, user_id] })
        assert.equal(await driver.getSecret(reference, friend), 'text')
      })

      test('an admin names what the service may read already', async () => {
        const { driver } = opened
        const reference = await store(owner, 'text')
        const admin = { ...(await person()), is_admin: true }
        await assert.rejects(driver.getSecret(reference, admin), NotFoundError)
        await driver.getSecret(reference, owner)
        assert.equal(await driver.getSecret(reference, admin), 'text')
      })

      test('a container is there only with all that is in it', async () => {
        const { driver } = opened
        const reference = await contain(owner, content)
        const { body } = await call('GET', reference, owner.token)
        await driver.checkCertificate(reference, owner)
        assert.deepEqual(await driver.getCertificate(reference, serviceOf(owner)), content)
        const [{ secret_ref }] = body.secret_refs as [{ secret_ref: string }]
        await put(secret_ref, owner, { users: [] })
        await assert.rejects(driver.getCertificate(reference, serviceOf(owner)), NotFoundError)
      })

      test('bytes come back as they were stored, and only an id is as good as a reference', async () => {
        const der = Buffer.from(content.certificate.split('\n').slice(1, -1).join(''), 'base64')
        const reference = await store(owner, der)
        assert.equal((await opened.driver.getSecret(reference.split('/').at(-1)!, owner)).trim(), content.certificate)
      })

      test('a token that is no longer valid opens nothing', async () => {
        const reference = await store(owner, 'text')
        await assert.rejects(opened.driver.getSecret(reference, { ...owner, token: 'gone' }), NotFoundError)
      })
    })
  })
}
