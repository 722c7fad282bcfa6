/** One agent with a load balancer whose configuration changes, and three members. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Changes } from '../../../src/agent/haproxy.ts'
import type { Applied, CertificateFile } from '../../../src/drivers/amphora/driver.ts'
import { peerName } from '../../../src/lib/peer-name.ts'
import { eventually } from '../../support/eventually.ts'
import { AgentStage, get, LISTENER, LOAD_BALANCER, POOL, type TestAgent, VIP } from './agent-stage.ts'

export const fence = { flow_id: 'a flow', generation: 1 }
export const addresses = { one: '10.0.0.21', two: '10.0.0.22', three: '10.0.0.23' } as const
export type Name = keyof typeof addresses
export const url = `http://${VIP}/`

/** Lines of a configuration that are added to its sections. */
export interface More {
  global?: string
  frontend?: string
  pool?: string
}

/** A server's line as upstream's controllers write it. */
export function server(name: Name, more = 'weight 1 check inter 200ms fall 2 rise 1'): string {
  return `server ${name} ${addresses[name]}:80 ${more}`
}

export class ChangingLoadBalancer {
  readonly stage: AgentStage
  readonly agent: TestAgent

  static async open(): Promise<ChangingLoadBalancer> {
    const stage = await AgentStage.open()
    const agent = await stage.agent(1)
    await stage.plugVip(agent)
    await Promise.all(Object.entries(addresses).map(([name, address]) => stage.member(name, address)))
    return new ChangingLoadBalancer(stage, agent)
  }

  private constructor(stage: AgentStage, agent: TestAgent) {
    this.stage = stage
    this.agent = agent
  }

  /** As upstream lays it out, with these lines of servers. */
  configuration(servers: string[], more: More = {}): string {
    const { base } = this.agent
    return `global
    daemon
    user nobody
    stats socket ${base}/${LOAD_BALANCER}.sock mode 0666 level user
    server-state-file ${base}/${LOAD_BALANCER}/servers-state
    maxconn 1000
    hard-stop-after 10s
${more.global ?? ''}
defaults
    retries 3
    option redispatch
    option idle-close-on-response
    timeout connect 1s
    timeout client 5s
    timeout server 15s

peers local
    peer ${peerName(this.agent.id)} 127.0.0.1:1025

frontend ${LISTENER}
    maxconn 500
    bind ${VIP}:80
    mode http
    default_backend ${POOL}:${LISTENER}
${more.frontend ?? ''}
backend ${POOL}:${LISTENER}
    mode http
    http-reuse safe
    balance roundrobin
    load-server-state-from-file global
${more.pool ?? ''}${servers.map((line) => `    ${line}\n`).join('')}`
  }

  /** Makes HAProxy serve these lines of servers. */
  async use(servers: string[], more: More = {}, certificates: CertificateFile[] = []): Promise<Applied> {
    const files = { configuration: this.configuration(servers, more), certificates }
    const applied = await this.stage.driver.applyHaproxy(this.agent, LOAD_BALANCER, files, fence)
    assert.ok(applied !== null)
    return applied
  }

  /** Stores it as `use` does, and leaves it at that. */
  async upload(servers: string[], more: More = {}): Promise<void> {
    const path = `/1.0/loadbalancer/${this.agent.id}/${LOAD_BALANCER}/haproxy`
    const { status } = await this.stage.raw(this.agent, 'PUT', path, { body: this.configuration(servers, more) })
    assert.equal(status, 202)
  }

  async reload(): Promise<Applied> {
    const { status, body } = await this.stage.raw(this.agent, 'PUT', `/1.0/loadbalancer/${LOAD_BALANCER}/reload`)
    assert.equal(status, 202, body)
    return JSON.parse(body).applied as Applied
  }

  async report(): Promise<{ changes: Changes; draining: { backend: string; server: string; worker_pid: number }[] }> {
    return JSON.parse((await this.stage.raw(this.agent, 'GET', '/1.0/details')).body).haproxies[LOAD_BALANCER]
  }

  async drainingNames(): Promise<string[]> {
    return (await this.report()).draining.map((one) => one.server).sort()
  }

  /** Who answers, of twelve requests. */
  async answering(): Promise<string[]> {
    const names = new Set<string>()
    for (let n = 0; n < 12; n++) names.add(await get(url))
    return [...names].sort()
  }

  get haproxyPid(): number {
    return Number.parseInt(readFileSync(`${this.agent.base}/${LOAD_BALANCER}/${LOAD_BALANCER}.pid`, 'utf8'), 10)
  }

  /** HAProxy dies and comes back. */
  async killHaproxy(): Promise<void> {
    const pid = this.haproxyPid
    process.kill(pid, 'SIGKILL')
    await eventually(() => this.haproxyPid !== pid)
    await eventually(() => get(url))
  }

  /** The agent dies; HAProxy goes on until it is back. */
  async restartAgent(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    this.agent.process.kill('SIGKILL')
    await meanwhile()
    this.agent.process = this.stage.startAgent(this.agent)
    await this.stage.driver.waitForAgent(this.agent, 'booting')
  }

  close(): Promise<void> {
    return this.stage.close()
  }
}
