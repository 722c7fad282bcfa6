/**
 * Tokens that carry their content and a signature, so that issuing one writes nothing. They say who and on what; which roles that means
 * is looked up each time, so a changed assignment counts at once.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export type TokenScope = { project_id: string } | { domain_id: string } | null

export type TokenContent = {
  user_id: string
  scope: TokenScope
  methods: string[]
  issued_at_ms: number
  expires_at_ms: number
  /** The token's own name, by which it is revoked; not a secret. */
  audit_id: string
  /** The audit id of the password's token, where this one was exchanged for another scope. */
  parent_audit_id: string | null
}

const maxTokenLength = 1_024

/** What a token holds, as a list, because names would only make the header longer. */
type Packed = [
  user_id: string,
  scope: 'project' | 'domain' | null,
  scope_id: string,
  methods: string,
  issued_at_ms: number,
  expires_at_ms: number,
  audit_id: string,
  parent_audit_id: string | null,
]

/** The content in base64url, a dot, the signature. */
export function sealToken(key: Buffer, content: TokenContent): string {
  const { user_id, scope, methods, issued_at_ms, expires_at_ms, audit_id, parent_audit_id } = content
  const kind = scope === null ? null : 'project_id' in scope ? 'project' : 'domain'
  const scope_id = scope === null ? '' : 'project_id' in scope ? scope.project_id : scope.domain_id
  const packed: Packed = [user_id, kind, scope_id, methods.join(' '), issued_at_ms, expires_at_ms, audit_id, parent_audit_id]
  const text = Buffer.from(JSON.stringify(packed)).toString('base64url')
  return `${text}.${sign(key, text).toString('base64url')}`
}

/** Null when the token is malformed or not signed with this key. Does not look at its times. */
export function openToken(key: Buffer, token: string): TokenContent | null {
  if (token.length > maxTokenLength) return null
  const dot = token.indexOf('.')
  if (dot < 0) return null
  const text = token.slice(0, dot)
  const signature = Buffer.from(token.slice(dot + 1), 'base64url')
  const expected = sign(key, text)
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return null
  // Signed by us, so of our making.
  const packed = JSON.parse(Buffer.from(text, 'base64url').toString()) as Packed
  const [user_id, kind, scope_id, methods, issued_at_ms, expires_at_ms, audit_id, parent_audit_id] = packed
  const scope = kind === null ? null : kind === 'project' ? { project_id: scope_id } : { domain_id: scope_id }
  return { user_id, scope, methods: methods.split(' '), issued_at_ms, expires_at_ms, audit_id, parent_audit_id }
}

export function newAuditId(): string {
  return randomBytes(16).toString('base64url')
}

function sign(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
