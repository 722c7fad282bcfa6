import type { FastifyInstance } from 'fastify'
import { creates, deletes, lists, shows } from '../../api/answer.ts'
import { bodyKind } from '../../api/body.ts'
import { notFound, parentNotFound, tooManyL7Rules } from '../../api/faults.ts'
import { checkPageArguments, type ListSpec, listPage } from '../../api/listing.ts'
import { takeQuota } from '../../api/quota.ts'
import { type ApiContext, route } from '../../api/route.ts'
import { shownTo } from '../../api/shown.ts'
import type { Db } from '../../db/connection.ts'
import type { L7PolicyRow, L7RuleRow } from '../../db/tables.ts'
import { startFlow } from '../../flow/start.ts'
import { findL7Policy, lockL7Policy } from '../l7policy/repository.ts'
import { findListener } from '../listener/repository.ts'
import { newlyUpdated } from '../row-fields.ts'
import { checkL7RuleServable } from '../servable.ts'
import { checkL7RuleData, maxRulesPerPolicy } from './checks.ts'
import { createL7Rule } from './create-flow.ts'
import { deleteL7Rule } from './delete-flow.ts'
import { countL7RulesOfPolicy, findL7Rule, insertL7Rule, updateL7Rule } from './repository.ts'
import { l7ruleChanges, newL7Rule, showL7Rule } from './row.ts'
import { L7Rule, L7RuleCreate, L7RuleUpdate } from './schema.ts'
import { updateL7Rule as updateL7RuleFlow } from './update-flow.ts'

const createBody = bodyKind('rule_', 'rule', L7RuleCreate)
// Upstream's handlers call the two otherwise.
const updateBody = bodyKind('l7rule_', 'rule', L7RuleUpdate)

const listed: ListSpec<'l7rule'> = {
  table: 'l7rule',
  columns: [
    'id',
    'tags',
    'project_id',
    'provisioning_status',
    'operating_status',
    'admin_state_up',
    'created_at',
    'updated_at',
    'l7policy_id',
    'type',
    'compare_type',
    'key',
    'value',
    'invert',
  ],
}

/** The checks of each operation run in upstream's order: the first that fails decides which fault the client sees. */
export function l7ruleRoutes(api: FastifyInstance, { db, config, clock, amphora }: ApiContext): void {
  const parent = async ({ l7policy_id }: { l7policy_id: string }) => {
    await findPolicyInPath(db, l7policy_id)
  }

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/l7policies/:l7policy_id/rules',
    summary: 'List the rules of an l7policy',
    answer: lists('rules', L7Rule, listed),
    policies: ['os_load-balancer_api:l7rule:get_all'],
    async handler(request) {
      const { l7policy_id } = request.params
      const policy = await findPolicyInPath(db, l7policy_id)
      request.authorize('os_load-balancer_api:l7rule:get_all', policy.project_id)
      const { rows, links } = await listPage(db, config, request, listed, { l7policy_id })
      return { rules: rows.map((row) => shownTo(request, config, row, showL7Rule(row))), rules_links: links }
    },
  })

  route(api, {
    method: 'GET',
    path: '/v2/lbaas/l7policies/:l7policy_id/rules/:id',
    summary: 'Show an l7rule',
    answer: shows('rule', L7Rule),
    policies: ['os_load-balancer_api:l7rule:get_one'],
    async handler(request) {
      const { l7policy_id, id } = request.params
      await findPolicyInPath(db, l7policy_id)
      checkPageArguments(request.query)
      const rule = await findRuleOf(db, l7policy_id, id)
      request.authorize('os_load-balancer_api:l7rule:get_one', rule.project_id)
      return { rule: shownTo(request, config, rule, showL7Rule(rule)) }
    },
  })

  route(api, {
    method: 'POST',
    path: '/v2/lbaas/l7policies/:l7policy_id/rules',
    summary: 'Create an l7rule',
    answer: creates('rule', L7Rule),
    policies: ['os_load-balancer_api:l7rule:post'],
    parent,
    body: createBody,
    async handler(request, reply) {
      const { l7policy_id } = request.params
      const { body } = request
      const rule = await db.transaction().execute(async (tx) => {
        const policy = await findPolicyInPath(tx, l7policy_id)
        const { project_id, listener_id } = policy
        request.authorize('os_load-balancer_api:l7rule:post', project_id)
        const rule = newL7Rule(body, { project_id, l7policy_id }, clock)
        checkL7RuleServable({ amphora }, rule)
        if ((await countL7RulesOfPolicy(tx, l7policy_id)) >= maxRulesPerPolicy) throw tooManyL7Rules(l7policy_id)
        await takeQuota(tx, config, 'l7rule', project_id)
        const load_balancer_id = await loadBalancerIdOf(tx, policy)
        await lockL7Policy(tx, policy, load_balancer_id)
        await insertL7Rule(tx, rule)
        const params = { l7rule_id: rule.id, l7policy_id, listener_id, load_balancer_id }
        await startFlow(tx, createL7Rule, params, { subject: load_balancer_id })
        return rule
      })
      return reply.code(201).send({ rule: showL7Rule(rule) })
    },
  })

  route(api, {
    method: 'PUT',
    path: '/v2/lbaas/l7policies/:l7policy_id/rules/:id',
    summary: 'Update an l7rule',
    answer: shows('rule', L7Rule),
    policies: ['os_load-balancer_api:l7rule:put'],
    parent,
    body: updateBody,
    async handler(request) {
      const { l7policy_id, id } = request.params
      const update = request.body
      return db.transaction().execute(async (tx) => {
        const policy = await findPolicyInPath(tx, l7policy_id)
        const rule = await findRuleOf(tx, l7policy_id, id)
        request.authorize('os_load-balancer_api:l7rule:put', rule.project_id)
        const { type = rule.type, compare_type = rule.compare_type, key = rule.key, value = rule.value } = update
        checkL7RuleData({ type, compare_type, key, value })
        checkL7RuleServable(
          { amphora },
          { type: type ?? rule.type, compare_type: compare_type ?? rule.compare_type, value: value ?? rule.value },
        )
        const load_balancer_id = await loadBalancerIdOf(tx, policy)
        await lockL7Policy(tx, policy, load_balancer_id)
        const changes = { ...l7ruleChanges(update, rule), ...newlyUpdated(clock) }
        await updateL7Rule(tx, id, changes)
        const params = { l7rule_id: id, l7policy_id, listener_id: policy.listener_id, load_balancer_id }
        await startFlow(tx, updateL7RuleFlow, params, { subject: load_balancer_id })
        return { rule: showL7Rule({ ...rule, ...changes }) }
      })
    },
  })

  route(api, {
    method: 'DELETE',
    path: '/v2/lbaas/l7policies/:l7policy_id/rules/:id',
    summary: 'Delete an l7rule',
    answer: deletes,
    policies: ['os_load-balancer_api:l7rule:delete'],
    parent,
    async handler(request, reply) {
      const { l7policy_id, id } = request.params
      await db.transaction().execute(async (tx) => {
        const policy = await findPolicyInPath(tx, l7policy_id)
        const rule = await findRuleOf(tx, l7policy_id, id)
        request.authorize('os_load-balancer_api:l7rule:delete', rule.project_id)
        const load_balancer_id = await loadBalancerIdOf(tx, policy)
        await lockL7Policy(tx, policy, load_balancer_id)
        await updateL7Rule(tx, id, { provisioning_status: 'PENDING_DELETE' })
        const params = { l7rule_id: id, l7policy_id, listener_id: policy.listener_id, load_balancer_id }
        await startFlow(tx, deleteL7Rule, params, { subject: load_balancer_id })
      })
      return reply.code(204).send()
    },
  })
}

/** The policy in the path, which upstream looks up while routing: hence the other shape of the fault. Throws 404. */
async function findPolicyInPath(db: Db, l7policy_id: string): Promise<L7PolicyRow> {
  const policy = await findL7Policy(db, l7policy_id)
  if (!policy) throw parentNotFound('L7Policy', l7policy_id)
  return policy
}

/** Other than upstream, a rule is found below its own policy only. Throws 404. */
async function findRuleOf(db: Db, l7policy_id: string, id: string): Promise<L7RuleRow> {
  const rule = await findL7Rule(db, id)
  if (rule?.l7policy_id !== l7policy_id) throw notFound('L7 Rule', id)
  return rule
}

async function loadBalancerIdOf(db: Db, policy: L7PolicyRow): Promise<string> {
  const listener = await findListener(db, policy.listener_id)
  if (!listener) throw notFound('Listener', policy.listener_id)
  return listener.load_balancer_id
}
