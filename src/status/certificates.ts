import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { timestamp } from '../lib/clock.ts'
import { failure } from '../resources/failures.ts'
import { type Check, lasting, MAX_TOLD, type Trouble, tellEach } from './trouble.ts'

const DAY_MS = 86_400_000
/** Users renew theirs by hand, or have it done when a month is left. */
const USERS_DAYS = 14
/** An agent's is renewed `[house_keeping] cert_expiry_buffer` before; half of that later something keeps it from being. */
const LATE_PART = 0.5
/** Of the installation's own. */
const OWN_DAYS = 30

/** Ends are stored as naive UTC. */
const msOf = (text: string): number => Date.parse(`${text.slice(0, 19)}Z`)

export const usersCertificates: Check = async ({ db, nowMs }) => {
  const rows = await db
    .selectFrom('tls_certificate')
    .selectAll()
    .where(({ or, eb }) => or([eb('problem', 'is not', null), eb('not_after', '<', timestamp(nowMs + USERS_DAYS * DAY_MS))]))
    .orderBy('not_after')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'certificate_of_user', ({ object_id, object_type, load_balancer_id, not_after, problem, reference }) => {
    const whose = `(${object_type} ${object_id} of load balancer ${load_balancer_id}, ${reference})`
    const left = not_after === null ? null : msOf(not_after) - nowMs
    const end =
      left === null || left > USERS_DAYS * DAY_MS ? [] : [left < 0 ? `It ended ${lasting(-left)} ago.` : `It ends in ${lasting(left)}.`]
    const why = problem === null ? [] : [`What the reference has now is not in service: ${failure(problem, { id: object_id }).message}`]
    return {
      level: left !== null && left < 0 ? 'error' : 'warning',
      about: object_id,
      says: ['A certificate of a user needs attention', whose, ...why, ...end].join(' '),
      type: `openstack loadbalancer ${object_type} show ${object_id}`,
    }
  })
}

export const agentsCertificates: Check = async ({ db, config, nowMs }) => {
  const lateMs = config.house_keeping.cert_expiry_buffer * 1000 * LATE_PART
  const rows = await db
    .selectFrom('amphora')
    .select(['id', 'loadbalancer_id', 'cert_expiration'])
    .where('status', '!=', 'DELETED')
    .where('cert_expiration', '<', timestamp(nowMs + lateMs))
    .orderBy('cert_expiration')
    .limit(MAX_TOLD + 1)
    .execute()
  return tellEach(rows, 'certificate_of_amphora', ({ id, loadbalancer_id, cert_expiration }) => {
    const left = msOf(cert_expiration!) - nowMs
    return {
      level: left < DAY_MS ? 'error' : 'warning',
      about: id,
      says: `The certificate of the agent of amphora ${id} (load balancer ${loadbalancer_id}) ${left < 0 ? `ended ${lasting(-left)} ago` : `ends in ${lasting(left)}`} and should have been renewed: housekeeping does not run, or the agent cannot be reached.`,
      type: `openstack loadbalancer amphora failover ${id}`,
    }
  })
}

/** CAs and the controllers' certificate, as the configuration or the state directory has them. */
export const ownCertificates: Check = async ({ config, nowMs }) => {
  const ours = (name: string) => join(config.stateDirectory, 'certs', name)
  const files: [string, string][] = [
    ["the CA of agents' certificates", config.certificates.ca_certificate ?? ours('server_ca.pem')],
    ["the CA of controllers' certificates", config.controller_worker.client_ca ?? ours('client_ca.pem')],
    ["the controllers' certificate", config.haproxy_amphora.client_cert ?? ours('client.pem')],
  ]
  return files.flatMap(([what, path]): Trouble[] => {
    if (!existsSync(path)) return []
    const left = new X509Certificate(readFileSync(path)).validToDate.getTime() - nowMs
    if (left > OWN_DAYS * DAY_MS) return []
    const says = `${what} (${path}) ${left < 0 ? `ended ${lasting(-left)} ago: no amphora can be managed` : `ends in ${lasting(left)}: then no amphora can be managed`}.`
    return [{ level: left < 7 * DAY_MS ? 'error' : 'warning', kind: 'certificate_of_installation', about: path, says, type: null }]
  })
}
