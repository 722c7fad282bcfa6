/** Reads a golden pair's input: rows as YAML, in which only what matters to the case is written; the rest are the API's defaults. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { loadConfig } from '../../config/config.ts'
import type { AmphoraOfTree, L7PolicyTree, ListenerTree, LoadBalancerTree, PoolTree } from '../../resources/load-balancer/tree.ts'
import { type HaproxyOptions, haproxyOptions, renderHaproxy } from '../haproxy.ts'
import { type KeepalivedOptions, keepalivedOptions, renderKeepalived, type VipOnSubnet } from '../keepalived.ts'

interface Input {
  load_balancer: Partial<Omit<LoadBalancerTree, 'listeners' | 'pools' | 'amphorae'>> & {
    listeners?: (Partial<Omit<ListenerTree, 'l7policies'>> & {
      l7policies?: (Partial<Omit<L7PolicyTree, 'rules'>> & { rules?: object[] })[]
    })[]
    pools?: (Partial<Omit<PoolTree, 'members' | 'health_monitor'>> & { members?: object[]; health_monitor?: object | null })[]
    amphorae?: Partial<AmphoraOfTree>[]
  }
  haproxy?: Partial<HaproxyOptions>
  /** Where given, keepalived.conf of this amphora is rendered instead of haproxy.cfg. */
  keepalived?: Partial<KeepalivedOptions> & { amphora_id: string; vips: VipOnSubnet[] }
}

export type Pair = { name: string; kind: 'haproxy' | 'keepalived'; outputPath: string; rendered: string }

export function readPairs(): Pair[] {
  const directory = import.meta.dirname
  const inputs = readdirSync(directory).filter((name) => name.endsWith('.in.yaml'))
  return inputs.sort().map((file) => {
    const input = parse(readFileSync(join(directory, file), 'utf8')) as Input
    const name = file.slice(0, -'.in.yaml'.length)
    return {
      name,
      kind: input.keepalived === undefined ? 'haproxy' : 'keepalived',
      outputPath: join(directory, `${name}.out.cfg`),
      rendered: render(input),
    }
  })
}

export const defaultConfig = loadConfig({ stateDirectory: '/nowhere', overrides: { health_manager: { heartbeat_key: 'golden' } } })

function render({ load_balancer, haproxy, keepalived }: Input): string {
  const loadBalancer = aTree(load_balancer)
  if (keepalived === undefined)
    return renderHaproxy(loadBalancer, { ...haproxyOptions(defaultConfig), ...haproxy }) ?? '# nothing is served\n'
  const { amphora_id, vips, ...options } = keepalived
  return renderKeepalived(loadBalancer, amphora_id, vips, { ...keepalivedOptions(defaultConfig, []), ...options })
}

const id = (digit: string, n = 0) => `${digit.repeat(8)}-0000-4000-8000-${String(n).padStart(12, '0')}`

const owned = {
  project_id: 'project-1',
  name: '',
  description: '',
  tags: [],
  provisioning_status: 'ACTIVE',
  operating_status: 'ONLINE',
  admin_state_up: true,
  fault: null,
  created_at: '2026-11-22T17:19:15',
  updated_at: null,
} as const

/** A load balancer with the API's defaults wherever the input is silent. */
export function aTree(input: Input['load_balancer'] = {}): LoadBalancerTree {
  const load_balancer_id = input.id ?? id('1')
  return {
    ...owned,
    tags: [],
    vip_address: '10.0.0.10',
    vip_port_id: id('9'),
    vip_subnet_id: id('8'),
    vip_network_id: id('7'),
    vip_qos_policy_id: null,
    vip_vnic_type: 'normal',
    vip_sg_ids: [],
    additional_vips: [],
    vip_port_owned: true,
    provider: 'amphora',
    flavor_id: null,
    availability_zone: null,
    topology: 'SINGLE',
    server_group_id: null,
    ...input,
    id: load_balancer_id,
    listeners: (input.listeners ?? []).map((listener, n) => aListener({ id: id('2', n), load_balancer_id, ...listener })),
    pools: (input.pools ?? []).map((pool, n) => aPool({ id: id('3', n), load_balancer_id, ...pool })),
    amphorae: (input.amphorae ?? []).map((amphora, n) => anAmphora({ id: id('a', n), ...amphora, loadbalancer_id: load_balancer_id })),
  }
}

function aListener(
  input: NonNullable<Input['load_balancer']['listeners']>[number] & { id: string; load_balancer_id: string },
): ListenerTree {
  return {
    ...owned,
    tags: [],
    protocol: 'HTTP',
    protocol_port: 80,
    connection_limit: -1,
    default_pool_id: null,
    insert_headers: {},
    timeout_client_data: 50000,
    timeout_member_connect: 5000,
    timeout_member_data: 50000,
    timeout_tcp_inspect: 0,
    default_tls_container_ref: null,
    sni_container_refs: [],
    client_ca_tls_container_ref: null,
    client_authentication: 'NONE',
    client_crl_container_ref: null,
    allowed_cidrs: null,
    tls_ciphers: null,
    tls_versions: [],
    alpn_protocols: [],
    hsts_max_age: null,
    hsts_include_subdomains: false,
    hsts_preload: false,
    ...input,
    l7policies: (input.l7policies ?? []).map((policy, n) => ({
      ...owned,
      tags: [],
      id: id('5', n),
      listener_id: input.id,
      action: 'REJECT',
      redirect_pool_id: null,
      redirect_url: null,
      redirect_prefix: null,
      redirect_http_code: null,
      position: n + 1,
      ...policy,
      rules: (policy.rules ?? []).map((rule, m) => ({
        ...owned,
        tags: [],
        id: id('6', 100 * n + m),
        l7policy_id: policy.id ?? id('5', n),
        type: 'PATH',
        compare_type: 'STARTS_WITH',
        key: null,
        value: '/',
        invert: false,
        ...rule,
      })),
    })),
  }
}

function aPool(input: NonNullable<Input['load_balancer']['pools']>[number] & { id: string; load_balancer_id: string }): PoolTree {
  const pool_id = input.id
  return {
    ...owned,
    tags: [],
    protocol: 'HTTP',
    lb_algorithm: 'ROUND_ROBIN',
    session_persistence: null,
    tls_enabled: false,
    tls_container_ref: null,
    ca_tls_container_ref: null,
    crl_container_ref: null,
    tls_ciphers: null,
    tls_versions: [],
    alpn_protocols: [],
    ...input,
    members: (input.members ?? []).map((member, n) => ({
      ...owned,
      tags: [],
      id: id('4', n),
      pool_id,
      address: `10.0.0.${20 + n}`,
      protocol_port: 80,
      weight: 1,
      backup: false,
      subnet_id: null,
      monitor_address: null,
      monitor_port: null,
      vnic_type: 'normal',
      ...member,
    })),
    health_monitor:
      input.health_monitor == null
        ? null
        : {
            ...owned,
            tags: [],
            id: id('b'),
            pool_id,
            type: 'HTTP',
            delay: 5,
            timeout: 3,
            max_retries: 2,
            max_retries_down: 3,
            http_method: 'GET',
            url_path: '/',
            expected_codes: '200',
            http_version: null,
            domain_name: null,
            ...input.health_monitor,
          },
  }
}

function anAmphora(input: Partial<AmphoraOfTree> & { id: string; loadbalancer_id: string }): AmphoraOfTree {
  return {
    compute_id: id('c'),
    lb_network_ip: '192.0.2.1',
    vrrp_ip: null,
    ha_ip: '10.0.0.10',
    vrrp_port_id: id('d'),
    ha_port_id: id('9'),
    cert_expiration: null,
    cert_busy: false,
    role: 'STANDALONE',
    status: 'ALLOCATED',
    vrrp_interface: 'eth1',
    vrrp_id: null,
    vrrp_priority: null,
    cached_zone: null,
    image_id: null,
    compute_flavor: null,
    created_at: owned.created_at,
    updated_at: null,
    ...input,
  }
}
