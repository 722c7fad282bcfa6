import { livingControllers, missingRoles } from '../controllers/registry.ts'
import { type Check, lasting, MAX_TOLD, type Trouble, tellEach } from './trouble.ts'

/** What stands still while no process does it. */
const consequences: Readonly<Record<string, string>> = {
  api: 'Requests to the API are not answered.',
  worker: 'What is asked of the API is stored and waits; load balancers serve on as they are.',
  'health-manager': 'Heartbeats are not received: statuses and statistics stand still, and no dead amphora is replaced.',
  housekeeping: 'Certificates of agents are not renewed, and nothing is cleaned up.',
}

/** Roles that no living process has, and processes that ended otherwise than in good order, or stand still. */
export const controllers: Check = async ({ db, nowMs }) => {
  const living = await livingControllers(db)
  const roles = (await missingRoles(db, Object.keys(consequences))).map(
    (role): Trouble => ({
      level: 'error',
      kind: 'role_missing',
      about: role,
      says: `No process with the role ${role} runs. ${consequences[role]}`,
      type: 'ottavia serve',
    }),
  )
  const all = await db
    .selectFrom('controller')
    .selectAll()
    .orderBy('seen_at_ms', 'desc')
    .limit(MAX_TOLD + living.length + 1)
    .execute()
  const silent = all.filter(({ id }) => !living.some((each) => each.id === id))
  return [
    ...roles,
    ...tellEach(silent, 'controller_silent', ({ id, host, pid, serves, seen_at_ms }) => ({
      level: 'warning',
      about: id,
      says: `Process ${pid} on ${host} (${serves}) was last heard ${lasting(nowMs - seen_at_ms)} ago: it was killed, stands still, or cannot reach the database.`,
      type: null,
    })),
  ]
}
