/**
 * Who may do what through the API: Barbican's default policies (`barbican/common/policies/`), those of its own roles (creator, observer, audit)
 * and those of the common ones (member) both, as Barbican has them until an operator chooses.
 */
import type { Identity } from '../../drivers/identity/driver.ts'
import type { Acl } from './repository.ts'

/** Whose token it is; tokens without a project are refused before. */
export type Asker = Identity & { project_id: string }

type Owned = { project_id: string; creator_id: string; acl: Acl | null }

const has = (asker: Asker, ...roles: string[]): boolean => asker.roles.some((role) => roles.includes(role))

export const mayStore = (asker: Asker): boolean => has(asker, 'admin', 'member', 'creator')

export const mayList = (asker: Asker): boolean => has(asker, 'admin', 'member', 'creator', 'observer')

/** To see all of it: the payload too. */
export const mayDecrypt = (asker: Asker, object: Owned): boolean =>
  mayChange(asker, object) || isListed(asker, object) || (isShared(asker, object) && has(asker, 'observer'))

/** To see it without its payload. */
export const mayShow = (asker: Asker, object: Owned): boolean =>
  mayDecrypt(asker, object) || (isShared(asker, object) && has(asker, 'audit'))

/** Also: to say who may read it. */
export const mayChange = (asker: Asker, object: Owned): boolean =>
  asker.project_id === object.project_id &&
  (has(asker, 'admin') || (has(asker, 'member', 'creator') && (isShared(asker, object) || asker.user_id === object.creator_id)))

const isShared = (asker: Asker, { project_id, acl }: Owned): boolean => asker.project_id === project_id && (acl?.project_access ?? true)

const isListed = (asker: Asker, { acl }: Owned): boolean => acl?.users.includes(asker.user_id) ?? false
