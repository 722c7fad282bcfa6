import type { RoleRow } from './tables.ts'

/** Keystone's bootstrap: who has the left role also has the right one. */
const implied: Record<string, string> = { admin: 'member', member: 'reader' }

export function impliedRole(role: RoleRow, all: readonly RoleRow[]): RoleRow | undefined {
  return all.find((other) => other.name === implied[role.name])
}

/** The roles with these ids and all they imply, each once. */
export function withImplied(ids: ReadonlySet<string>, all: readonly RoleRow[]): RoleRow[] {
  const found = new Set<RoleRow>()
  for (const role of all.filter((candidate) => ids.has(candidate.id))) {
    for (let next: RoleRow | undefined = role; next !== undefined && !found.has(next); next = impliedRole(next, all)) found.add(next)
  }
  return [...found]
}
