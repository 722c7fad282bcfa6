/**
 * Why an operation failed, as its owner is told: a fixed list, in which nothing is named but his own objects. What drivers said, hosts,
 * addresses and ids of the management side are details, for admins.
 */
import type { Fault } from '../db/tables.ts'
import { GENERAL_MESSAGE, type Reason, VisibleError } from '../flow/define.ts'
import { timestamp } from '../lib/clock.ts'

/** `{id}` is one of the owner's own objects. */
const texts = {
  general: GENERAL_MESSAGE,
  no_amphora_reached: 'No amphora of the load balancer could be reached.',
  configuration_refused: 'The amphora refused the new configuration.',
  amphora_not_started: 'An amphora could not be started.',
  amphora_ended: 'An amphora ended while it started.',
  amphora_too_slow: 'An amphora did not start in time.',
  amphora_silent_after_start: 'An amphora did not answer after its start.',
  amphora_not_fenced: 'An amphora that is to be replaced could not be cut off.',
  amphora_lost_during_setup: 'An amphora stopped answering while it was set up.',
  amphora_unreached: 'The agent of the amphora could not be reached.',
  amphora_serves_not: 'The amphora does not serve the load balancer.',
  vip_port_gone: 'The VIP port of the load balancer no longer exists.',
  vip_resource_gone: 'A port, QoS policy or security group of the load balancer no longer exists.',
  load_balancer_gone: 'The load balancer {id} no longer exists.',
  no_redirect_target: 'The l7policy {id} has no target.',
  rule_value_no_number: 'The value of the l7rule {id} is not a number.',
  no_tls_version: 'None of the TLS versions of {id} can be served with its ciphers.',
  value_too_long: 'A value is too long for HAProxy.',
  control_character: 'A value holds a control character, which HAProxy cannot be given.',
  unusable_name: 'The name of a header, cookie or certificate field cannot be used in the configuration of an amphora.',
  no_ip_address: 'An address is not an IP address.',
  secret_gone: 'A secret that {id} names is gone, or is not for its project.',
  secret_store_missing: 'This deployment has no secret store, and {id} names secrets.',
  secret_store_silent: 'The secret store does not answer for what {id} names.',
  bundle_unreadable: 'A PKCS12 bundle that {id} names cannot be opened.',
  no_certificate: 'What {id} names for a certificate is none.',
  no_private_key: 'A certificate that {id} names has no private key, or one that cannot be read.',
  key_of_another: 'A certificate that {id} names has the private key of another.',
  too_weak: 'A certificate that {id} names, its key or its chain is too weak to be served.',
  broken_intermediates: 'An intermediate certificate that {id} names cannot be read.',
  no_authority: 'What {id} names for the certificates of authorities is none.',
  no_revocation_list: 'What {id} names for a revocation list is none.',
  expired_replacement: 'A certificate that {id} names was replaced by one that has ended; the former stays in service.',
  failovers_stopped:
    'An amphora is silent and is not replaced, since too many fell silent at once, as when a network fails. It is taken back when it is heard again.',
  failover_waits: 'An amphora is silent and will be replaced; as many are being replaced already as may be at a time.',
  failover_undecided: 'An amphora seems silent, but its signs of life may have been missed. It is replaced if it stays silent.',
  amphora_certificate_ends:
    "The certificate of an amphora's agent could not be renewed and ends soon. The amphora serves on; once it has ended, a failover is needed before it takes changes.",
  no_status_codes: 'The expected codes of a health monitor are no HTTP status codes.',
} as const

export type Failure = keyof typeof texts

/** To be thrown by what cannot go on. `id` stands where the text has `{id}`. */
export function failure(kind: Failure, { id = '', details = '' }: { id?: string; details?: string } = {}): VisibleError {
  return new VisibleError(texts[kind].replace('{id}', id), details)
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const known = Object.values(texts).map((text) => text.split('{id}'))

function isKnown(message: string): boolean {
  return known.some(([before = '', after]) => {
    if (after === undefined) return message === before
    return message.startsWith(before) && message.endsWith(after) && uuid.test(message.slice(before.length, -after.length))
  })
}

/** What an object in ERROR keeps. */
export function faultOf(reason: Reason, nowMs: number): Fault {
  return { ...told(reason), created_at: timestamp(nowMs) }
}

/** A reason as it is stored and shown: a text that is not of the list, whoever made it, is for admins. */
export function told({ message, details }: Reason): Reason {
  if (isKnown(message)) return { message, details }
  return { message: texts.general, details: [message, details].filter((part) => part !== '').join('\n') }
}
