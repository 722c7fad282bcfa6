/** The embedded identity without its HTTP face: logins, tokens, and what the roles of a user are. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { Db } from '../../db/connection.ts'
import type { Identity } from '../../drivers/identity/driver.ts'
import type { TokenValidator } from '../../drivers/identity/embedded.ts'
import type { Clock } from '../../lib/clock.ts'
import { bootstrap, type FirstPasswords } from './bootstrap.ts'
import { checkPassword } from './passwords.ts'
import * as repository from './repository.ts'
import { withImplied } from './role-implications.ts'
import type { DomainRow, ProjectRow, RoleRow, UserRow } from './tables.ts'
import { newAuditId, openToken, sealToken, type TokenContent, type TokenScope } from './tokens.ts'

/** A token with all that Keystone shows of it. */
export type KnownToken = {
  content: TokenContent
  user: UserRow
  user_domain: DomainRow
  /** Null when unscoped or scoped to a domain. */
  project: ProjectRow | null
  project_domain: DomainRow | null
  /** The scope, where it is a domain. */
  domain: DomainRow | null
  /** On the scope, implied ones included; empty when unscoped. */
  roles: RoleRow[]
}

/** How long after its end a token may pass beside a service token, as Keystone's `[token] allow_expired_window`. */
const EXPIRED_WINDOW_MS = 48 * 3_600_000

export interface EmbeddedIdentity extends TokenValidator {
  /** First rows and passwords (once), to be called by the process that has the role `embedded`, before the service starts. */
  prepare(): Promise<FirstPasswords>
  /** Null when user, domain or password is wrong or disabled. */
  login(user: UserRow | undefined, password: string): Promise<UserRow | null>
  /** Null when the user has no role on the scope or it is disabled. `parent` is the token that is exchanged: the new one ends with it. */
  issue(user: UserRow, scope: TokenScope, methods: string[], parent?: TokenContent): Promise<{ token: string; known: KnownToken } | null>
  /** Null when malformed, expired, revoked, or when something it names is gone or disabled. `allowExpired`: unless it expired long ago. */
  validate(token: string, allowExpired?: boolean): Promise<KnownToken | null>
  revoke(content: TokenContent): Promise<void>
  /** To be called after each change of users, projects, domains, roles or assignments. */
  changed(): void
}

export interface IdentityContext {
  db: Db
  config: Config
  clock: Clock
}

/** Opens the identity on its state directory; the key that signs tokens is made there when it is missing. */
export async function openEmbeddedIdentity({ db, config, clock }: IdentityContext): Promise<EmbeddedIdentity> {
  const key = await tokenKey(config.stateDirectory)
  let generation = 0

  /** Null as soon as something is gone, disabled or without role. */
  async function complete(content: TokenContent): Promise<KnownToken | null> {
    const user = await repository.findUser(db, content.user_id)
    if (user === undefined || !user.enabled || content.issued_at_ms <= user.tokens_void_until_ms) return null
    const user_domain = await enabledDomain(user.domain_id)
    if (user_domain === null) return null
    const unscoped = { content, user, user_domain, project: null, project_domain: null, domain: null, roles: [] }
    if (content.scope === null) return unscoped
    if ('project_id' in content.scope) {
      const project = await repository.findProject(db, content.scope.project_id)
      if (project === undefined || !project.enabled) return null
      const project_domain = await enabledDomain(project.domain_id)
      const roles = await rolesOn('project', project.id, user.id)
      return project_domain === null || roles.length === 0 ? null : { ...unscoped, project, project_domain, roles }
    }
    const domain = await enabledDomain(content.scope.domain_id)
    if (domain === null) return null
    const roles = await rolesOn('domain', domain.id, user.id)
    return roles.length === 0 ? null : { ...unscoped, domain, roles }
  }

  async function enabledDomain(id: string): Promise<DomainRow | null> {
    const domain = await repository.findDomain(db, id)
    return domain?.enabled ? domain : null
  }

  async function rolesOn(target_type: 'project' | 'domain', target_id: string, user_id: string): Promise<RoleRow[]> {
    const assigned = await repository.listAssignments(db, { user_id, target_type, target_id })
    if (assigned.length === 0) return []
    return withImplied(new Set(assigned.map((assignment) => assignment.role_id)), await repository.listRoles(db))
  }

  async function validate(token: string, allowExpired = false): Promise<KnownToken | null> {
    const content = openToken(key, token)
    const grace = allowExpired ? EXPIRED_WINDOW_MS : 0
    if (content === null || content.expires_at_ms + grace <= clock.now()) return null
    if (await repository.isRevoked(db, content.audit_id)) return null
    return complete(content)
  }

  return {
    get generation() {
      return generation
    },

    changed() {
      generation++
    },

    async prepare() {
      const passwords = await bootstrap(db, clock, config)
      generation++
      return passwords
    },

    async login(user, password) {
      const right = await checkPassword(password, user?.password_hash ?? null, config.identity.password_hash_rounds)
      if (!right || user === undefined || !user.enabled) return null
      return (await enabledDomain(user.domain_id)) === null ? null : user
    },

    async issue(user, scope, methods, parent) {
      // Not in the millisecond of a password's change, up to which tokens are void.
      const issued_at_ms = Math.max(clock.now(), user.tokens_void_until_ms + 1)
      const content: TokenContent = {
        user_id: user.id,
        scope,
        methods,
        issued_at_ms,
        expires_at_ms: parent?.expires_at_ms ?? issued_at_ms + config.identity.token_lifetime * 1_000,
        audit_id: newAuditId(),
        parent_audit_id: parent === undefined ? null : (parent.parent_audit_id ?? parent.audit_id),
      }
      const known = await complete(content)
      return known === null ? null : { token: sealToken(key, content), known }
    },

    validate,

    async identify(token, allowExpired): Promise<Identity | null> {
      const known = await validate(token, allowExpired)
      if (known === null) return null
      return {
        user_id: known.user.id,
        user_name: known.user.name,
        user_domain_id: known.user_domain.id,
        project_id: known.project?.id ?? null,
        project_name: known.project?.name ?? null,
        project_domain_id: known.project_domain?.id ?? null,
        domain_id: known.domain?.id ?? null,
        system_scope: null,
        roles: known.roles.map((role) => role.name),
        expires_at: isoTime(known.content.expires_at_ms),
      }
    },

    async revoke(content) {
      await db
        .transaction()
        .execute((tx) => repository.insertRevokedToken(tx, content.audit_id, content.expires_at_ms, clock.now() - EXPIRED_WINDOW_MS))
      generation++
    },
  }
}

/** As Keystone writes times: `2026-11-22T17:19:15.000000Z`. */
export function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}.000000Z`
}

/** Made by whichever process comes first; all others read what that one wrote. */
async function tokenKey(stateDirectory: string): Promise<Buffer> {
  const path = join(stateDirectory, 'identity-token.key')
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
  const read = () => readFile(path).catch(absent)
  const existing = await read()
  if (existing !== null) return existing
  const temporary = `${path}.${process.pid}`
  await writeFile(temporary, randomBytes(32), { mode: 0o600 })
  // A link appears with its whole content, and only if there is none.
  await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(temporary)
  return readFile(path)
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
