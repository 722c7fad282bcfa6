import type { Db, Tx } from '../../db/connection.ts'
import type { DomainRow, ProjectRow, RoleAssignmentRow, RoleRow, UserRow } from './tables.ts'

type Reader = Db | Tx

export const findDomain = (db: Reader, id: string): Promise<DomainRow | undefined> =>
  db.selectFrom('embedded_domain').selectAll().where('id', '=', id).executeTakeFirst()

export const findDomainByName = (db: Reader, name: string): Promise<DomainRow | undefined> =>
  db.selectFrom('embedded_domain').selectAll().where('name', '=', name).executeTakeFirst()

export const listDomains = (db: Reader): Promise<DomainRow[]> =>
  db.selectFrom('embedded_domain').selectAll().orderBy('name').orderBy('id').execute()

export async function insertDomain(tx: Reader, row: DomainRow): Promise<void> {
  await tx.insertInto('embedded_domain').values(row).execute()
}

export async function updateDomain(tx: Reader, id: string, changes: Partial<DomainRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.updateTable('embedded_domain').set(changes).where('id', '=', id).execute()
}

/** With its projects, users and all their roles. */
export async function deleteDomain(tx: Tx, id: string): Promise<void> {
  for (const { id: project } of await tx.selectFrom('embedded_project').select('id').where('domain_id', '=', id).execute())
    await deleteProject(tx, project)
  for (const { id: user } of await tx.selectFrom('embedded_user').select('id').where('domain_id', '=', id).execute())
    await deleteUser(tx, user)
  await deleteAssignments(tx, { target_type: 'domain', target_id: id })
  await tx.deleteFrom('embedded_domain').where('id', '=', id).execute()
}

export const findProject = (db: Reader, id: string): Promise<ProjectRow | undefined> =>
  db.selectFrom('embedded_project').selectAll().where('id', '=', id).executeTakeFirst()

export const findProjectByName = (db: Reader, domain_id: string, name: string): Promise<ProjectRow | undefined> =>
  db.selectFrom('embedded_project').selectAll().where('domain_id', '=', domain_id).where('name', '=', name).executeTakeFirst()

export const listProjects = (db: Reader): Promise<ProjectRow[]> =>
  db.selectFrom('embedded_project').selectAll().orderBy('name').orderBy('id').execute()

/** The projects on which the user has a role. */
export const listProjectsOfUser = (db: Reader, user_id: string): Promise<ProjectRow[]> =>
  db
    .selectFrom('embedded_project')
    .selectAll()
    .where('id', 'in', (query) =>
      query.selectFrom('embedded_role_assignment').select('target_id').where('user_id', '=', user_id).where('target_type', '=', 'project'),
    )
    .orderBy('name')
    .orderBy('id')
    .execute()

export async function insertProject(tx: Reader, row: ProjectRow): Promise<void> {
  await tx.insertInto('embedded_project').values(row).execute()
}

export async function updateProject(tx: Reader, id: string, changes: Partial<ProjectRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.updateTable('embedded_project').set(changes).where('id', '=', id).execute()
}

export async function deleteProject(tx: Tx, id: string): Promise<void> {
  await deleteAssignments(tx, { target_type: 'project', target_id: id })
  await tx.deleteFrom('embedded_project').where('id', '=', id).execute()
}

export const findUser = (db: Reader, id: string): Promise<UserRow | undefined> =>
  db.selectFrom('embedded_user').selectAll().where('id', '=', id).executeTakeFirst()

export const findUserByName = (db: Reader, domain_id: string, name: string): Promise<UserRow | undefined> =>
  db.selectFrom('embedded_user').selectAll().where('domain_id', '=', domain_id).where('name', '=', name).executeTakeFirst()

export const listUsers = (db: Reader): Promise<UserRow[]> =>
  db.selectFrom('embedded_user').selectAll().orderBy('name').orderBy('id').execute()

export async function insertUser(tx: Reader, row: UserRow): Promise<void> {
  await tx.insertInto('embedded_user').values(row).execute()
}

export async function updateUser(tx: Reader, id: string, changes: Partial<UserRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.updateTable('embedded_user').set(changes).where('id', '=', id).execute()
}

export async function deleteUser(tx: Tx, id: string): Promise<void> {
  await deleteAssignments(tx, { user_id: id })
  await tx.deleteFrom('embedded_user').where('id', '=', id).execute()
}

export const findRole = (db: Reader, id: string): Promise<RoleRow | undefined> =>
  db.selectFrom('embedded_role').selectAll().where('id', '=', id).executeTakeFirst()

export const findRoleByName = (db: Reader, name: string): Promise<RoleRow | undefined> =>
  db.selectFrom('embedded_role').selectAll().where('name', '=', name).executeTakeFirst()

export const listRoles = (db: Reader): Promise<RoleRow[]> =>
  db.selectFrom('embedded_role').selectAll().orderBy('name').orderBy('id').execute()

export async function insertRole(tx: Reader, row: RoleRow): Promise<void> {
  await tx.insertInto('embedded_role').values(row).execute()
}

export async function updateRole(tx: Reader, id: string, changes: Partial<RoleRow>): Promise<void> {
  if (Object.keys(changes).length > 0) await tx.updateTable('embedded_role').set(changes).where('id', '=', id).execute()
}

export async function deleteRole(tx: Tx, id: string): Promise<void> {
  await deleteAssignments(tx, { role_id: id })
  await tx.deleteFrom('embedded_role').where('id', '=', id).execute()
}

/** Assignments that match all the given columns; without any, all. */
export function listAssignments(db: Reader, where: Partial<RoleAssignmentRow>): Promise<RoleAssignmentRow[]> {
  let query = db.selectFrom('embedded_role_assignment').selectAll()
  for (const [column, value] of columnsOf(where)) query = query.where(column, '=', value)
  return query.orderBy('user_id').orderBy('target_id').orderBy('role_id').execute()
}

/** Nothing happens when it is already there. */
export async function insertAssignment(tx: Reader, row: RoleAssignmentRow): Promise<void> {
  await tx
    .insertInto('embedded_role_assignment')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Returns how many there were. */
export async function deleteAssignments(tx: Reader, where: Partial<RoleAssignmentRow>): Promise<number> {
  let query = tx.deleteFrom('embedded_role_assignment')
  for (const [column, value] of columnsOf(where)) query = query.where(column, '=', value)
  const { numDeletedRows } = await query.executeTakeFirst()
  return Number(numDeletedRows)
}

export async function isRevoked(db: Reader, audit_id: string): Promise<boolean> {
  const row = await db.selectFrom('embedded_revoked_token').select('audit_id').where('audit_id', '=', audit_id).executeTakeFirst()
  return row !== undefined
}

/** Also forgets those that ended by themselves before `forget_ms`, so that the table stays small. */
export async function insertRevokedToken(tx: Tx, audit_id: string, expires_at_ms: number, forget_ms: number): Promise<void> {
  await tx.deleteFrom('embedded_revoked_token').where('expires_at_ms', '<', forget_ms).execute()
  await tx
    .insertInto('embedded_revoked_token')
    .values({ audit_id, expires_at_ms })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

function columnsOf(where: Partial<RoleAssignmentRow>): [keyof RoleAssignmentRow, string][] {
  return Object.entries(where).filter((entry): entry is [keyof RoleAssignmentRow, string] => entry[1] !== undefined)
}
