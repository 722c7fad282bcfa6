/**
 * Who may do what. Rules are upstream's (`policy-defaults.ts`) unless a policy file says otherwise; the file is read again when it has
 * changed. A route names the policies it asks for.
 */
import { statSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { PolicyName } from './policy-defaults.ts'
import { policyFiles, type RuleSet, readPolicies } from './policy-file.ts'
import type { Credentials } from './policy-language.ts'

export type { ListedType, PolicyName } from './policy-defaults.ts'

/** Who sends a request, as far as policies ask. */
export interface Caller {
  readonly user_id: string | null
  /** The project his token is for; without authentication the header X-Project-Id. */
  readonly project_id: string | null
  readonly roles: readonly string[]
  /** What the rule `context_is_admin` says; true for everyone where there is no authentication. */
  readonly is_admin: boolean
  /** `all` for a token for the system. */
  readonly system_scope?: string | null
  /** The domain the token is for. */
  readonly domain_id?: string | null
  readonly user_domain_id?: string | null
  readonly project_domain_id?: string | null
  readonly is_admin_project?: boolean
  /** His own, for a service that is asked on his behalf; null without authentication. */
  readonly token?: string | null
  /** The service that passes the request on (X-Service-Token). */
  readonly service?: { readonly user_id: string; readonly project_id: string | null; readonly roles: readonly string[] } | null
}

export interface Policy {
  /** `project_id` owns the object that is asked for; null when no object is concerned. */
  isAllowed(policy: PolicyName, caller: Caller, project_id: string | null): boolean
  /** Whether someone with a token counts as admin. */
  isAdmin(caller: Omit<Caller, 'is_admin'>): boolean
}

/** Files are looked at again no sooner than this; what was changed counts that soon. */
const CHECK_INTERVAL_MS = 1_000

/** Throws ConfigError when a file is wrong. One that becomes wrong later is logged, and what was read before goes on. */
export function openPolicy({ config, log, clock }: { config: Config; log: Log; clock: Clock }): Policy {
  let files = policyFiles(config)
  let seen = stateOf(files)
  let rules = readPolicies(files, config)
  let lookedAt = clock.monotonic()
  warn(rules)
  if (config.given.has('oslo_policy.policy_file') && files.length === 0) {
    log.warn(`[oslo_policy] policy_file = ${config.oslo_policy.policy_file}: no such file; the default policies hold`)
  }

  function warn({ warnings }: RuleSet): void {
    for (const warning of warnings) log.warn(warning)
  }

  function current(): RuleSet {
    if (clock.monotonic() - lookedAt < CHECK_INTERVAL_MS) return rules
    lookedAt = clock.monotonic()
    try {
      files = policyFiles(config)
      const state = stateOf(files)
      if (state === seen) return rules
      seen = state
      rules = readPolicies(files, config)
      log.info({ files }, 'policies were read again')
      warn(rules)
    } catch (error) {
      log.error(`the policies stay as they were: ${(error as Error).message}`)
    }
    return rules
  }

  return {
    isAllowed(policy, caller, project_id) {
      return current().check(policy)(credentialsOf(caller, caller.is_admin), { project_id })
    },
    isAdmin(caller) {
      // Upstream defines this rule for project scopes; a token for the system is admin by its roles alone.
      if (caller.system_scope && config.oslo_policy.enforce_scope) return false
      return current().check('context_is_admin')(credentialsOf(caller, false), { project_id: caller.project_id })
    },
  }
}

/** What tells that a file has changed without reading it. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const state = statSync(file, { throwIfNoEntry: false })
      return `${file} ${state?.mtimeMs} ${state?.size} ${state?.ino}`
    })
    .join('\n')
}

function credentialsOf(caller: Omit<Caller, 'is_admin'>, is_admin: boolean): Credentials {
  return {
    user_id: caller.user_id,
    user_domain_id: caller.user_domain_id ?? null,
    system_scope: caller.system_scope ?? null,
    domain_id: caller.domain_id ?? null,
    project_id: caller.project_id,
    project_domain_id: caller.project_domain_id ?? null,
    roles: caller.roles,
    is_admin,
    is_admin_project: caller.is_admin_project ?? true,
    service_user_id: caller.service?.user_id ?? null,
    service_project_id: caller.service?.project_id ?? null,
    service_roles: caller.service?.roles ?? [],
  }
}
