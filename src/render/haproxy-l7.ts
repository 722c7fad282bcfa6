/** L7 policies: each rule an ACL, each policy a line that needs all of its rules. */
import { failure } from '../resources/failures.ts'
import { isWanted, type L7PolicyTree, type ListenerTree } from '../resources/load-balancer/tree.ts'
import { type Line, nameInParentheses } from './haproxy-words.ts'

/** HAProxy acts in this order whatever the positions are; printing in it keeps it from warning, and says so to the reader. */
const order: L7PolicyTree['action'][][] = [['REJECT'], ['REDIRECT_TO_URL', 'REDIRECT_PREFIX'], ['REDIRECT_TO_POOL']]

/** The policies that take effect: enabled, with a rule, and with an enabled pool where they redirect to one. */
export function effectivePolicies(listener: ListenerTree, isRendered: (pool_id: string) => boolean): L7PolicyTree[] {
  const policies = listener.l7policies
    .filter((policy) => isWanted(policy) && policy.admin_state_up)
    .map((policy) => ({ ...policy, rules: policy.rules.filter((rule) => isWanted(rule) && rule.admin_state_up) }))
    .filter((policy) => policy.rules.length > 0)
    .filter((policy) => policy.action !== 'REDIRECT_TO_POOL' || (policy.redirect_pool_id !== null && isRendered(policy.redirect_pool_id)))
  return order.flatMap((actions) => policies.filter((policy) => actions.includes(policy.action)))
}

export function policyLines(policy: L7PolicyTree, listener_id: string): Line[] {
  const condition = ['if', ...policy.rules.map((rule) => (rule.invert ? `!${rule.id}` : rule.id))]
  return [...policy.rules.map(aclLine), [...actionOf(policy, listener_id), ...condition]]
}

/** `redirect` takes its target as it is; within `http-request` HAProxy would expand variables in it. */
function actionOf(policy: L7PolicyTree, listener_id: string): Line {
  const code = policy.redirect_http_code === null ? [] : ['code', policy.redirect_http_code]
  switch (policy.action) {
    case 'REJECT':
      return ['http-request', 'deny']
    case 'REDIRECT_TO_URL':
      return ['redirect', ...code, 'location', required(policy, policy.redirect_url)]
    case 'REDIRECT_PREFIX':
      return ['redirect', ...code, 'prefix', required(policy, policy.redirect_prefix)]
    case 'REDIRECT_TO_POOL':
      return ['use_backend', `${required(policy, policy.redirect_pool_id)}:${listener_id}`]
  }
}

function required(policy: L7PolicyTree, target: string | null): string {
  if (target === null || target === '') throw failure('no_redirect_target', { id: policy.id })
  return target
}

type Rule = L7PolicyTree['rules'][number]

const matchOf = { REGEX: 'reg', STARTS_WITH: 'beg', ENDS_WITH: 'end', CONTAINS: 'sub', EQUAL_TO: 'str' } as const

function aclLine(rule: Rule): Line {
  return ['acl', rule.id, ...criterion(rule)]
}

/** `--` ends the flags: without it a value such as `-f` would make HAProxy read a file. */
function criterion(rule: Rule): Line {
  const matches = ['-m', matchOf[rule.compare_type], '--', comparedValue(rule)]
  switch (rule.type) {
    case 'HOST_NAME':
      return ['req.hdr(host)', '-i', ...matches]
    case 'PATH':
      return ['path', ...matches]
    case 'FILE_TYPE':
      return fileType(rule)
    case 'HEADER':
      return [`req.hdr(${keyOf(rule)})`, ...matches]
    case 'COOKIE':
      return [`req.cook(${keyOf(rule)})`, ...matches]
    case 'SSL_CONN_HAS_CERT':
      return ['ssl_c_used']
    case 'SSL_VERIFY_RESULT':
      return ['ssl_c_verify', 'eq', verifyResult(rule)]
    case 'SSL_DN_FIELD':
      return [`ssl_c_s_dn(${keyOf(rule)})`, ...matches]
  }
}

/** Only in quotes may a value have spaces (upstream prints them, and HAProxy takes them off). */
function comparedValue({ type, compare_type, value }: Rule): string {
  const isPlain = compare_type === 'REGEX' || type === 'COOKIE' || type === 'SSL_DN_FIELD'
  return (isPlain ? undefined : /^"(.+)"$/.exec(value)?.[1]) ?? value
}

/** OpenSSL's results are small numbers; a greater one than HAProxy can read is no result either. */
function verifyResult({ id, value }: Rule): number {
  if (!/^\d+$/.test(value)) throw failure('rule_value_no_number', { id })
  return Math.min(Number(value), MAX_VERIFY_RESULT)
}

const MAX_VERIFY_RESULT = 2 ** 31 - 1

function keyOf(rule: Rule): string {
  return nameInParentheses(rule.key ?? '')
}

/** Compares what follows the last dot of the path. (Upstream prints `path_end -m str jpg`, which compares the whole path and never holds.) */
function fileType(rule: Rule): Line {
  if (rule.compare_type === 'REGEX') return ['path,field(-1,.)', '-m', 'reg', '--', rule.value]
  return ['path', '-m', 'end', '--', `.${comparedValue(rule).replace(/^\./, '')}`]
}
