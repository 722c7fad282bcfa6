/** Rows as Keystone shows them, and what its routes have in common. */
import type { FastifyRequest } from 'fastify'
import { callerOf, HttpFault, isAdmin, lastValueOf, type Query } from '../../http.ts'
import { type Service, servicesOf } from '../endpoints.ts'
import { isoTime, type KnownToken } from '../service.ts'
import type { DomainRow, ProjectRow, RoleRow, UserRow } from '../tables.ts'
import type { IdentityApiContext } from './server.ts'

export const domainAnswer = (row: DomainRow, base: string): object => ({
  ...row,
  tags: [],
  options: {},
  links: { self: `${base}/v3/domains/${row.id}` },
})

export const projectAnswer = (row: ProjectRow, base: string): object => ({
  ...row,
  parent_id: row.domain_id,
  is_domain: false,
  options: {},
  links: { self: `${base}/v3/projects/${row.id}` },
})

/** Without what concerns its password. */
export function userAnswer({ password_hash, tokens_void_until_ms, email, ...row }: UserRow, base: string): object {
  return {
    ...row,
    ...(email === null ? {} : { email }),
    password_expires_at: null,
    options: {},
    links: { self: `${base}/v3/users/${row.id}` },
  }
}

export const roleAnswer = (row: RoleRow, base: string): object => ({
  ...row,
  domain_id: null,
  options: {},
  links: { self: `${base}/v3/roles/${row.id}` },
})

export const linksOf = (request: FastifyRequest, base: string): object => ({ self: base + request.url, previous: null, next: null })

/** The host by which the client reached us, for services bound to all addresses. */
export const servicesFor = (request: FastifyRequest, { config }: IdentityApiContext): Service[] =>
  servicesOf(config, request.host.replace(/:\d+$/, ''))

export const catalogAnswer = (services: Service[], region: string): object[] =>
  services.map(({ id, type, name, endpoints }) => ({
    id,
    type,
    name,
    endpoints: endpoints.map((endpoint) => ({
      id: endpoint.id,
      interface: endpoint.interface,
      url: endpoint.url,
      region,
      region_id: region,
    })),
  }))

export function tokenAnswer(known: KnownToken): Record<string, unknown> {
  const { content, user, user_domain, project, project_domain, domain, roles } = known
  return {
    methods: content.methods,
    user: { id: user.id, name: user.name, domain: named(user_domain), password_expires_at: null },
    audit_ids: content.parent_audit_id === null ? [content.audit_id] : [content.audit_id, content.parent_audit_id],
    issued_at: isoTime(content.issued_at_ms),
    expires_at: isoTime(content.expires_at_ms),
    ...(project === null ? {} : { project: { ...named(project), domain: named(project_domain!) }, is_domain: false }),
    ...(domain === null ? {} : { domain: named(domain) }),
    ...(roles.length === 0 ? {} : { roles: roles.map(named) }),
  }
}

export const named = ({ id, name }: { id: string; name: string }): { id: string; name: string } => ({ id, name })

/** What only an admin may do. `action` is the name of Keystone's policy. */
export function authorizeAdmin(request: FastifyRequest, action: string): void {
  if (!isAdmin(callerOf(request))) throw forbidden(action)
}

export const forbidden = (action: string): HttpFault =>
  new HttpFault(403, `You are not authorized to perform the requested action: ${action}.`)

export const badRequest = (message: string): HttpFault => new HttpFault(400, message)

/** `kind` is Keystone's word: project, user, role, domain, ... */
export function found<T>(row: T | undefined, kind: string, id: string): T {
  if (row === undefined) throw new HttpFault(404, `Could not find ${kind}: ${id}.`)
  return row
}

export const duplicate = (kind: string, name: string, domain_id?: string): HttpFault =>
  new HttpFault(
    409,
    `Conflict occurred attempting to store ${kind} - Duplicate entry found with name ${name}${domain_id === undefined ? '' : ` at domain ID ${domain_id}`}.`,
  )

/** Rows that match those of the named columns which the query has; other parameters of the query mean nothing here. */
export function filtered<T extends object>(rows: T[], query: Query, columns: readonly (keyof T & string)[]): T[] {
  return rows.filter((row) =>
    columns.every((column) => {
      const wanted = lastValueOf(query, column)
      if (wanted === undefined) return true
      const value = row[column]
      return typeof value === 'boolean' ? value === isTrue(wanted) : value === wanted
    }),
  )
}

/** As Keystone reads flags in a query: present without value, or anything but 0 and false, is true. */
export const isTrue = (text: string): boolean => !['0', 'false', 'False'].includes(text)
