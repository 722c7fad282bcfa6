/** A user of a real OpenStack with networks of his own, and a service user in a project that no other test uses. */
import assert from 'node:assert/strict'
import { loadConfig } from '../../src/config/config.ts'
import { NeutronNetwork } from '../../src/drivers/network/neutron.ts'
import { type OpenStackSession, openStackSession } from '../../src/drivers/openstack/session.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { call } from './embedded-services.ts'
import { KeystoneAdmin } from './keystone-admin.ts'

const NEUTRON = 'http://127.0.0.1:9696/v2.0'

/** In the words of Neutron's API; its answers are what stands under the key of what is asked. */
export class NeutronUser {
  readonly project_id: string
  readonly token: string

  constructor(project_id: string, token: string) {
    this.project_id = project_id
    this.token = token
  }

  async ask<T = Record<string, unknown>>(method: string, path: string, body?: object): Promise<T> {
    const answer = await call(method, `${NEUTRON}/${path}`, this.token, body)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body as T
  }

  async create(kind: string, body: Record<string, unknown>): Promise<string> {
    const made = await this.ask<Record<string, { id: string }>>('POST', `${kind}s`, {
      [kind.split('/').at(-1)!.replaceAll('-', '_')]: body,
    })
    return Object.values(made)[0]!.id
  }

  /** A network and its first subnet, without DHCP, whose ports would take addresses. */
  async aNetwork(more: Record<string, unknown> = {}): Promise<{ network_id: string; subnet_id: string }> {
    const network_id = await this.create('network', { name: 'neutron-test', ...more })
    return { network_id, subnet_id: await this.aSubnet(network_id, '10.9.0.0/27') }
  }

  aSubnet(network_id: string, cidr: string, more: Record<string, unknown> = {}): Promise<string> {
    return this.create('subnet', { network_id, cidr, ip_version: cidr.includes(':') ? 6 : 4, enable_dhcp: false, ...more })
  }
}

export interface Tenancy {
  session: OpenStackSession
  driver: NeutronNetwork
  /** The service user, an admin. */
  service: NeutronUser
  user: NeutronUser
  /** Another, who has nothing to do with him. */
  stranger: NeutronUser
  removePorts(network_id: string): Promise<void>
  /** With all its ports. */
  removeNetwork(network_id: string): Promise<void>
  /** Those that the driver has made. */
  removeGroups(): Promise<void>
  close(): Promise<void>
}

export async function aTenancy(): Promise<Tenancy> {
  const keystone = new KeystoneAdmin(process.env.OS_AUTH_URL!, process.env.OS_PASSWORD!)
  const person = async (...roles: string[]) => {
    const project = await keystone.createProject()
    const { user, token } = await keystone.person({ project }, roles)
    return { account: user, project, neutron: new NeutronUser(project.id, token) }
  }
  const [owner, user, stranger] = [await person('admin'), await person('member'), await person('member')]
  const config = loadConfig({
    stateDirectory: '/nowhere',
    overrides: {
      service_auth: {
        auth_url: process.env.OS_AUTH_URL,
        username: owner.account.name,
        password: owner.account.password,
        project_id: owner.project.id,
      },
      networking: { max_retries: 2, retry_interval: 0 },
    },
  })
  const session = openStackSession({ config, clock: systemClock, log: createLog('warn', 2) })
  const driver = new NeutronNetwork(session, config)
  const service = owner.neutron
  const all = async (kind: string, query: string) =>
    Object.values(await service.ask<Record<string, { id: string }[]>>('GET', `${kind}?${query}&fields=id`))[0] ?? []
  const removeAll = async (kind: string, query: string) => {
    for (const { id } of await all(kind, query)) await service.ask('DELETE', `${kind}/${id}`)
  }
  const removePorts = (network_id: string) => removeAll('ports', `network_id=${network_id}`)
  return {
    session,
    driver,
    service,
    user: user.neutron,
    stranger: stranger.neutron,
    removePorts,
    async removeNetwork(network_id) {
      await removePorts(network_id)
      await service.ask('DELETE', `networks/${network_id}`)
    },
    async removeGroups() {
      for (const { id } of await driver.listMadeSecurityGroups()) await service.ask('DELETE', `security-groups/${id}`)
    },
    async close() {
      session.close()
      const people = [owner, user, stranger]
      await keystone.remove({ users: people.map(({ account }) => account), projects: people.map(({ project }) => project) })
    },
  }
}
