/** The rows of the embedded identity (migration 0004). Ids are 32 hex digits, as Keystone's; the first domain's is `default`. */

export interface DomainRow {
  id: string
  name: string
  description: string
  enabled: boolean
}

export interface ProjectRow {
  id: string
  domain_id: string
  name: string
  description: string
  enabled: boolean
  tags: string[]
}

export interface UserRow {
  id: string
  domain_id: string
  name: string
  description: string
  email: string | null
  enabled: boolean
  default_project_id: string | null
  /** `passwords.ts` says of what form. Null: the user cannot log in by password. */
  password_hash: string | null
  /** Tokens issued at or before this moment are void: the password was changed or the user disabled. */
  tokens_void_until_ms: number
}

export interface RoleRow {
  id: string
  name: string
  description: string
}

/** A role of a user on a project or on a domain. */
export interface RoleAssignmentRow {
  user_id: string
  target_type: 'project' | 'domain'
  target_id: string
  role_id: string
}

/** Tokens carry their content themselves (`tokens.ts`); only those taken back before their end are stored. */
export interface RevokedTokenRow {
  audit_id: string
  expires_at_ms: number
}

export interface EmbeddedIdentityTables {
  embedded_domain: DomainRow
  embedded_project: ProjectRow
  embedded_user: UserRow
  embedded_role: RoleRow
  embedded_role_assignment: RoleAssignmentRow
  embedded_revoked_token: RevokedTokenRow
}
