/**
 * What the embedded identity holds after the first start, and the passwords that the client files are written with. They are made at
 * random and lie, besides their hashes in the database, in one file of the state directory that only its owner may read.
 */
import { randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { Db, Tx } from '../../db/connection.ts'
import type { Clock } from '../../lib/clock.ts'
import { hashPassword, randomPassword } from './passwords.ts'
import * as repository from './repository.ts'

export const defaultDomainId = 'default'

/** Keystone's own roles, its `service` role, and those of upstream's advanced policies for load balancing. */
const roles = [
  'admin',
  'member',
  'reader',
  'service',
  'load-balancer_admin',
  'load-balancer_global_observer',
  'load-balancer_member',
  'load-balancer_observer',
  'load-balancer_quota_admin',
]

const firstUsers = {
  admin: { project: 'admin', roles: ['admin'] },
  demo: { project: 'demo', roles: ['member', 'reader', 'load-balancer_member'] },
  octavia: { project: 'service', roles: ['admin', 'service'] },
} as const

type FirstUser = keyof typeof firstUsers
export type FirstPasswords = Record<FirstUser, string>

/** Holds the ids of the first projects once they exist: what the operator deletes or renames afterwards stays so. */
const doneSetting = 'embedded_identity_first_projects'

export type FirstProjects = { admin: string; demo: string; service: string }

/** The ids of the first projects: what the embedded cloud makes itself belongs to `admin` or to `service`. Throws before `prepare()`. */
export async function firstProjects(db: Db | Tx): Promise<FirstProjects> {
  const setting = await db.selectFrom('setting').select('value').where('key', '=', doneSetting).executeTakeFirst()
  if (setting === undefined) throw new Error('the embedded identity was not prepared yet')
  return JSON.parse(setting.value) as FirstProjects
}

/**
 * The id of the user as whom the load balancing service acts. Where an operator has taken him away it is nobody's.
 */
export async function serviceUserId(db: Db): Promise<string> {
  return (await repository.findUserByName(db, defaultDomainId, 'octavia'))?.id ?? 'octavia'
}

/** As Keystone's ids are written. */
export const newId = (): string => randomUUID().replaceAll('-', '')

/**
 * Makes the first domain, projects, users and roles if that was not done yet. Where the file of passwords is missing, these users get
 * new ones: that is also how an operator who lost them helps himself. Returns the passwords in the file.
 */
export async function bootstrap(db: Db, clock: Clock, config: Config): Promise<FirstPasswords> {
  const { stateDirectory } = config
  const rounds = config.identity.password_hash_rounds
  const kept = await readPasswords(stateDirectory)
  const done = await db.selectFrom('setting').select('key').where('key', '=', doneSetting).executeTakeFirst()
  if (kept !== null && done !== undefined) return kept
  const passwords = kept ?? { admin: randomPassword(), demo: randomPassword(), octavia: randomPassword() }
  const hashes = {
    admin: await hashPassword(passwords.admin, rounds),
    demo: await hashPassword(passwords.demo, rounds),
    octavia: await hashPassword(passwords.octavia, rounds),
  }
  await db.transaction().execute(async (tx) => {
    if (done === undefined) {
      const projects = await insertFirstRows(tx, hashes)
      await tx
        .insertInto('setting')
        .values({ key: doneSetting, value: JSON.stringify(projects) })
        .execute()
    } else {
      await replacePasswords(tx, hashes, clock.now())
    }
  })
  // Written last: after a crash before this line the file is missing, and the next start makes new passwords for both.
  if (kept === null) await writePrivateFile(passwordsPath(stateDirectory), `${JSON.stringify(passwords, null, 2)}\n`)
  return passwords
}

async function insertFirstRows(tx: Tx, hashes: FirstPasswords): Promise<FirstProjects> {
  const projects: FirstProjects = { admin: newId(), demo: newId(), service: newId() }
  await repository.insertDomain(tx, { id: defaultDomainId, name: 'Default', description: 'The default domain', enabled: true })
  const roleIds = new Map<string, string>()
  for (const name of roles) {
    roleIds.set(name, newId())
    await repository.insertRole(tx, { id: roleIds.get(name)!, name, description: '' })
  }
  for (const name of Object.keys(firstUsers) as FirstUser[]) {
    const { project, roles } = firstUsers[name]
    const project_id = projects[project]
    const user_id = newId()
    await repository.insertProject(tx, {
      id: project_id,
      domain_id: defaultDomainId,
      name: project,
      description: '',
      enabled: true,
      tags: [],
    })
    await repository.insertUser(tx, {
      id: user_id,
      domain_id: defaultDomainId,
      name,
      description: '',
      email: null,
      enabled: true,
      default_project_id: project_id,
      password_hash: hashes[name],
      tokens_void_until_ms: 0,
    })
    for (const role of roles) {
      await repository.insertAssignment(tx, { user_id, target_type: 'project', target_id: project_id, role_id: roleIds.get(role)! })
    }
    if (name === 'admin') {
      await repository.insertAssignment(tx, {
        user_id,
        target_type: 'domain',
        target_id: defaultDomainId,
        role_id: roleIds.get('admin')!,
      })
    }
  }
  return projects
}

async function replacePasswords(tx: Tx, hashes: FirstPasswords, now: number): Promise<void> {
  for (const name of Object.keys(hashes) as FirstUser[]) {
    const user = await repository.findUserByName(tx, defaultDomainId, name)
    if (user !== undefined) await repository.updateUser(tx, user.id, { password_hash: hashes[name], tokens_void_until_ms: now })
  }
}

const passwordsPath = (stateDirectory: string): string => join(stateDirectory, 'identity-passwords.json')

async function readPasswords(stateDirectory: string): Promise<FirstPasswords | null> {
  const text = await readFile(passwordsPath(stateDirectory), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (text === null) return null
  const parsed = JSON.parse(text) as Partial<FirstPasswords>
  const { admin, demo, octavia } = parsed
  if (typeof admin !== 'string' || typeof demo !== 'string' || typeof octavia !== 'string') {
    throw new Error(`${passwordsPath(stateDirectory)} lacks a password; delete it, and new ones are made`)
  }
  return { admin, demo, octavia }
}

/** Whole or not at all, and never readable by others. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`
  await writeFile(temporary, text, { mode: 0o600 })
  await rename(temporary, path)
}
