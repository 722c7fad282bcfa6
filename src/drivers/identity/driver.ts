/** Who a request comes from: what Keystone says of a token. */

export type Identity = {
  user_id: string
  user_name: string
  /** Null when the token is not scoped to a project (unscoped, or scoped to a domain). */
  project_id: string | null
  project_name: string | null
  /** Names of the roles on the token's scope, implied ones included: an `admin` is also `member` and `reader`. */
  roles: string[]
  /** Keystone's `admin_project_name`; undefined where the backend does not say. */
  is_admin_project?: boolean
  /** ISO 8601 in UTC, `2026-11-22T17:19:15.000000Z`. */
  expires_at: string
}

export interface IdentityDriver {
  /**
   * Whom the token (the header `X-Auth-Token`) stands for, or null when it is malformed, expired, revoked, or its user or project is
   * disabled or gone. Throws only when the backend cannot be asked. May answer from memory for a second.
   */
  validate(token: string): Promise<Identity | null>
}
