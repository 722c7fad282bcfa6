/** Reads a golden pair's input: rows as YAML, in which only what matters to the case is written; the rest are the API's defaults. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import {
  aConfig,
  aHealthMonitorRow,
  aListenerRow,
  aLoadBalancerRow,
  aMemberRow,
  anAmphoraRow,
  anL7PolicyRow,
  anL7RuleRow,
  aPoolRow,
} from '../../../test/support/builders.ts'
import type { HealthMonitorRow, L7RuleRow, MemberRow } from '../../db/tables.ts'
import type { AmphoraOfTree, L7PolicyTree, ListenerTree, LoadBalancerTree, PoolTree } from '../../resources/load-balancer/tree.ts'
import { type HaproxyOptions, haproxyOptions, renderHaproxy } from '../haproxy.ts'
import { type KeepalivedOptions, keepalivedOptions, renderKeepalived, type VipOnSubnet } from '../keepalived.ts'
import { renderLvs } from '../lvs.ts'

type PolicyInput = Partial<Omit<L7PolicyTree, 'rules'>> & { rules?: Partial<L7RuleRow>[] }

interface Input {
  load_balancer: Partial<Omit<LoadBalancerTree, 'listeners' | 'pools' | 'amphorae'>> & {
    listeners?: (Partial<Omit<ListenerTree, 'l7policies'>> & {
      l7policies?: (Partial<Omit<L7PolicyTree, 'rules'>> & { rules?: object[] })[]
    })[]
    pools?: (Partial<Omit<PoolTree, 'members' | 'health_monitor'>> & {
      members?: Partial<MemberRow>[]
      health_monitor?: Partial<HealthMonitorRow> | null
    })[]
    amphorae?: Partial<AmphoraOfTree>[]
  }
  haproxy?: Partial<HaproxyOptions>
  /** Where given, keepalived.conf of this amphora is rendered instead of haproxy.cfg. */
  keepalived?: Partial<KeepalivedOptions> & { amphora_id: string; vips: VipOnSubnet[] }
  /** Where given, the LVS configuration of that listener, counted from 0. */
  lvs?: { listener: number }
}

export type Pair = { name: string; kind: 'haproxy' | 'keepalived' | 'lvs'; outputPath: string; rendered: string }

export function readPairs(): Pair[] {
  const directory = import.meta.dirname
  const inputs = readdirSync(directory).filter((name) => name.endsWith('.in.yaml'))
  return inputs.sort().map((file) => {
    const input = parse(readFileSync(join(directory, file), 'utf8')) as Input
    const name = file.slice(0, -'.in.yaml'.length)
    return {
      name,
      kind: input.lvs !== undefined ? 'lvs' : input.keepalived !== undefined ? 'keepalived' : 'haproxy',
      outputPath: join(directory, `${name}.out.cfg`),
      rendered: render(input),
    }
  })
}

export const defaultConfig = aConfig()

function render({ load_balancer, haproxy, keepalived, lvs }: Input): string {
  const loadBalancer = aTree(load_balancer)
  if (lvs !== undefined) return renderLvs(loadBalancer, loadBalancer.listeners[lvs.listener]!)
  if (keepalived === undefined)
    return renderHaproxy(loadBalancer, { ...haproxyOptions(defaultConfig), ...haproxy }) ?? '# nothing is served\n'
  const { amphora_id, vips, ...options } = keepalived
  return renderKeepalived(loadBalancer, amphora_id, vips, { ...keepalivedOptions(defaultConfig, []), ...options })
}

const id = (digit: string, n = 0) => `${digit.repeat(8)}-0000-4000-8000-${String(n).padStart(12, '0')}`

/** A load balancer with the API's defaults wherever the input is silent. */
export function aTree({ listeners, pools, amphorae, ...input }: Input['load_balancer'] = {}): LoadBalancerTree {
  const loadBalancer = aLoadBalancerRow({ id: id('1'), vip_address: '10.0.0.10', ...input })
  const load_balancer_id = loadBalancer.id
  return {
    ...loadBalancer,
    listeners: (listeners ?? []).map(({ l7policies, ...listener }, n) => {
      const row = aListenerRow({ id: id('2', n), load_balancer_id, ...listener })
      return { ...row, l7policies: (l7policies ?? []).map((policy, m) => aPolicy(row.id, policy, m)) }
    }),
    pools: (pools ?? []).map(({ members, health_monitor, ...pool }, n) => {
      const row = aPoolRow({ id: id('3', n), load_balancer_id, ...pool })
      const pool_id = row.id
      return {
        ...row,
        members: (members ?? []).map((member, m) => aMemberRow({ id: id('4', m), pool_id, address: `10.0.0.${20 + m}`, ...member })),
        health_monitor: health_monitor == null ? null : aHealthMonitorRow({ id: id('b'), pool_id, ...health_monitor }),
      }
    }),
    amphorae: (amphorae ?? []).map((amphora, n) => {
      const { server_certificate: _, ...row } = anAmphoraRow({ id: id('a', n), ...amphora, loadbalancer_id: load_balancer_id })
      return row
    }),
  }
}

function aPolicy(listener_id: string, { rules, ...policy }: PolicyInput, n: number): L7PolicyTree {
  const row = anL7PolicyRow({ id: id('5', n), listener_id, position: n + 1, ...policy })
  return { ...row, rules: (rules ?? []).map((rule, m) => anL7RuleRow({ id: id('6', 100 * n + m), l7policy_id: row.id, ...rule })) }
}
