/** Who a request comes from: what Keystone says of a token. */

export type Identity = {
  user_id: string
  user_name: string
  user_domain_id?: string | null
  /** Null when the token is not scoped to a project (unscoped, or scoped to a domain or the system). */
  project_id: string | null
  project_name: string | null
  project_domain_id?: string | null
  /** The domain the token is scoped to. */
  domain_id?: string | null
  /** `all` when the token is scoped to the system. */
  system_scope?: 'all' | null
  /** Names of the roles on the token's scope, implied ones included: an `admin` is also `member` and `reader`. */
  roles: string[]
  /** Keystone's `admin_project_name`; undefined where the backend does not say. */
  is_admin_project?: boolean
  /** ISO 8601 in UTC, `2026-11-22T17:19:15.000000Z`. */
  expires_at: string
  /** All that the token may be used for; null or undefined where it is not an application credential's with such rules. */
  access_rules?: AccessRule[] | null
  /** Whose the request's service token is. */
  service?: { user_id: string; project_id: string | null; roles: string[] } | null
}

export type AccessRule = { service: string; method: string; path: string }

/** What of a request a token's validity may hang on. */
export interface TokenUse {
  /** The header `X-Service-Token`: of the service that passes the request on. */
  service_token: string | null
  method: string
  /** As the client wrote it, without the query. */
  path: string
}

export interface IdentityDriver {
  /**
   * Whom the token (the header `X-Auth-Token`) stands for, or null when it is malformed, expired, revoked, not for this request, or its user
   * or project is disabled or gone; so too when the service token is not valid or lacks the role of one. A valid service token lets a token
   * pass that expired a while ago, for work that takes longer than a token lives. Throws IdentityUnavailable when the backend cannot be
   * asked. May answer from memory: of this process's own changes for no time, of others' for a minute at most.
   */
  validate(token: string, use?: TokenUse): Promise<Identity | null>
}
