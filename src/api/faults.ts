/**
 * Everything a client can be told to be wrong, worded as upstream words it (`octavia/common/exceptions.py`, WSME's `exc.py`). Anyone throws
 * one; `answerFault` renders it.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { pythonList, pythonText } from './python-text.ts'

export { pythonList }

/**
 * `handler` and `routing` are the two shapes of an error's body (reference: raised inside a handler, or before one was found); the other two
 * are keystonemiddleware's, which stands in front.
 */
export type FaultShape = 'handler' | 'routing' | 'unauthenticated' | 'unavailable'

export class Fault extends Error {
  readonly status: number
  readonly shape: FaultShape
  readonly headers: Record<string, string>
  constructor(status: number, message: string, shape: FaultShape = 'handler', headers: Record<string, string> = {}) {
    super(message)
    this.name = 'Fault'
    this.status = status
    this.shape = shape
    this.headers = headers
  }
}

// What is wrong with the request itself

export const invalidInput = (field: string, value: unknown, reason: string) =>
  new Fault(400, `Invalid input for field/attribute ${field}. Value: '${pythonText(value)}'. ${reason}`)

export const unknownAttributes = (argument: string, names: string[]) =>
  new Fault(400, `Unknown attribute${names.length > 1 ? 's' : ''} for argument ${argument}: ${names.join(', ')}`)

export const missingArgument = (name: string) => new Fault(400, `Missing argument: "${name}"`)
export const unknownArguments = (names: string[]) => new Fault(400, `Unknown argument: "${names.join(', ')}"`)
export const malformedJson = () => new Fault(400, 'Request is not in valid JSON format')
export const unknownMediaType = (type: string) => new Fault(415, `Unknown mimetype: ${type}`)
export const bodyTooLarge = () => new Fault(413, 'Request is too large.')
export const validationFailure = (detail: string) => new Fault(400, `Validation failure: ${detail}`)
export const invalidOption = (value: string, option: string) => new Fault(400, `${value} is not a valid option for ${option}`)
export const disabledOption = (option: string, value: string) =>
  new Fault(400, `The selected ${option} is not allowed in this deployment: ${value}`)
/** A subnet, network, port, ... that the request names does not exist. */
export const invalidSubresource = (resource: string, id: string) => new Fault(400, `${resource} ${id} not found.`)
export const certificateNotRetrieved = (references: string[]) => new Fault(400, `Could not retrieve certificate: ${pythonList(references)}`)
export const unreadableBundle = (why: string) =>
  new Fault(
    400,
    'The PKCS12 bundle is unreadable. Please check the PKCS12 bundle validity. In addition, make sure it does not require a pass ' +
      `phrase. Error: ${why}`,
  )
/** Ours: upstream always has one. */
export const noSecretStore = (references: string[]) =>
  validationFailure(`This deployment has no secret store, so it cannot retrieve: ${pythonList(references)}`)
export const vipMissing = (accepted: string[]) => validationFailure(`VIP must contain one of: ${accepted.join(', ')}.`)
/** Ours: upstream knows such fields and fails with 500. */
export const childrenAlone = (fields: string[], parent: string) =>
  validationFailure(`${fields.join(', ')} of a new ${parent} can only be given in the create of a whole load balancer.`)
export const missingProject = () =>
  validationFailure(
    'Missing project ID in request where one is required. An administrator should check the keystone settings in the Octavia configuration.',
  )
export const noObjectSupplied = (resource: string) => validationFailure(`No ${resource} object supplied.`)
export const singleCreateDetailsMissing = (type: string, name: string) => new Fault(400, `Missing details for ${type} object: ${name}`)
export const memberSriovDisabled = () => new Fault(400, 'The load balancer flavor does not allow SR-IOV member ports.')
export const listenerNoChildren = (protocol: string) => new Fault(400, `Protocol ${protocol} listeners cannot have child objects.`)
export const invalidL7PolicyAction = (action: string) => new Fault(400, `Invalid L7 Policy action specified: ${action}`)
export const invalidL7PolicyArguments = (detail: string) => new Fault(400, `Invalid L7 Policy arguments: ${detail}`)
export const invalidL7Rule = (detail: string) => new Fault(400, `Error parsing L7Rule: ${detail}`)

// Lists

export const invalidFilter = () => new Fault(400, 'One or more arguments are either duplicate or invalid')
export const invalidSortKey = (key: string) => new Fault(400, `Supplied sort key '${key}' is not valid.`)
/** Of `a:b:c`, which is no key and its direction. */
export const invalidSortItem = (parts: string[]) => new Fault(400, `Supplied sort key '${pythonList(parts)}' is not valid.`, 'routing')
/** Direction and limit are read before upstream has found the handler, hence their shape. */
export const invalidSortDirection = (direction: string) => new Fault(400, `Supplied sort direction '${direction}' is not valid.`, 'routing')
export const invalidLimit = (limit: string) => new Fault(400, `Supplied pagination limit '${limit}' is not valid.`, 'routing')
export const invalidMarker = (marker: string) => new Fault(400, `Supplied pagination marker '${marker}' is not valid.`)

// Who may do what

export const unauthenticated = () => new Fault(401, 'The request you have made requires authentication.', 'unauthenticated')
export const identityUnavailable = () => new Fault(503, 'The Keystone service is temporarily unavailable.', 'unavailable')
export const policyForbidden = () => new Fault(403, 'Policy does not allow this request to be performed.')
export const quotaMet = (resource: string) => new Fault(403, `Quota has been met for resources: ${resource}`)

// What is not there

/** `resource` in upstream's words: Load Balancer, Listener, Pool, Member, Health Monitor, L7Policy, L7Rule, Amphora, ... */
export const notFound = (resource: string, id: string) => new Fault(404, `${resource} ${id} not found.`)
/** The pool or l7policy in the middle of a path, which upstream looks up while routing. */
export const parentNotFound = (resource: string, id: string) => new Fault(404, `${resource} ${id} not found.`, 'routing')
export const pathNotFound = () => new Fault(404, '', 'routing')
/** In: the methods that the path, or what belongs to it, has. */
export const methodNotAllowed = (allowed: string[]) => new Fault(405, '', 'routing', { Allow: allowed.toSorted().join(', ') })
export const notAcceptable = () => new Fault(406, '', 'routing')

// What stands against it

export const immutable = (resource: string, id: string) => new Fault(409, `${resource} ${id} is immutable and cannot be updated.`)
export const invalidState = (state: string, load_balancer_id: string) =>
  new Fault(409, `Invalid state ${state} of loadbalancer resource ${load_balancer_id}`)
export const duplicateListener = (protocol: string, port: number) =>
  new Fault(409, `Another Listener on this Load Balancer is already using protocol ${protocol} and protocol_port ${port}`)
export const duplicateMember = (address: string, port: number) =>
  new Fault(409, `Another member on this pool is already using ip ${address} on protocol_port ${port}`)
export const duplicateHealthMonitor = () => new Fault(409, 'This pool already has a health monitor')
export const duplicateDefaultPool = () => new Fault(409, 'This listener already has a default pool')
export const poolInUse = (pool_id: string, l7policy_id: string) => new Fault(409, `Pool ${pool_id} is in use by L7 policy ${l7policy_id}`)
export const tooManyL7Rules = (l7policy_id: string) => new Fault(409, `Too many rules on L7 policy ${l7policy_id}`)

/** `kind` in upstream's words: flavor, availability zone. */
export const nameInUse = (kind: string, name: string) => new Fault(409, `A ${kind} of ${name} already exists.`)
export const objectInUse = (object: string, id: string) => new Fault(409, `${object} ${id} is in use and cannot be modified.`)

// What the provider cannot do

/** The configuration enables a provider that this program does not have. */
export const providerNotFound = (provider: string) => new Fault(501, `Provider '${provider}' was not found.`)
export const flavorNotOfProvider = (flavor_id: string, provider: string) =>
  new Fault(400, `Flavor '${flavor_id}' is not compatible with provider '${provider}'`)
export const providerNotEnabled = (provider: string) => new Fault(400, `Provider '${provider}' is not enabled.`)
export const unsupportedOption = (provider: string, detail: string) =>
  new Fault(501, `Provider '${provider}' does not support a requested option: ${detail}`)
export const unsupportedAction = (provider: string, detail: string) =>
  new Fault(501, `Provider '${provider}' does not support a requested action: ${detail}`)

// What may go better in a moment

/** Others hold what the request needs for too long. */
export const projectBusy = () => new Fault(503, 'Project busy.  Unable to lock the project.  Please try again.')

const RETRY_AFTER_SECONDS = 5
/** Ours; upstream answers with 500. */
export const databaseUnavailable = () =>
  new Fault(503, 'The database is temporarily unavailable. Please try again.', 'handler', { 'Retry-After': String(RETRY_AFTER_SECONDS) })

/** Ours: Neutron, Nova, ... fails or does not answer. Its own words stay in the log. */
export const serviceUnavailable = (service: string) =>
  new Fault(503, `The ${service} service is temporarily unavailable. Please try again.`, 'handler', {
    'Retry-After': String(RETRY_AFTER_SECONDS),
  })

/** Ours: an error nobody foresaw. Its own words stay in the log, found by the request's id. */
export const internalError = (request_id: string) =>
  new Fault(500, `The server has either erred or is incapable of performing the requested operation. (Request-ID: ${request_id})`)

/** Sends the fault in its shape. */
export function answerFault(fault: Fault, request: FastifyRequest, reply: FastifyReply, options: { www_authenticate_uri: string }): void {
  // Fastify closes the connection of a body that is too large, which takes the answer away from a client that is still sending; left open,
  // the rest of the body is read and thrown away, until the request takes too long.
  if (fault.status === 413) reply.removeHeader('connection')
  reply.code(fault.status).headers(fault.headers)
  if (request.method === 'HEAD') {
    reply.send()
  } else if (fault.shape === 'handler') {
    reply.send({ faultcode: fault.status >= 500 ? 'Server' : 'Client', faultstring: fault.message, debuginfo: null })
  } else if (fault.shape === 'unauthenticated') {
    reply.header('WWW-Authenticate', `Keystone uri="${options.www_authenticate_uri}"`)
    reply.send({ error: { code: 401, title: 'Unauthorized', message: fault.message } })
  } else if (fault.shape === 'unavailable' && /json/.test(request.headers.accept ?? '')) {
    const message = `${explanations[503]}<br /><br />\n${fault.message}\n\n`
    reply.send({ message, code: '503 Service Unavailable', title: 'Service Unavailable' })
  } else if (/json/.test(request.headers.accept ?? '')) {
    // A fault with words keeps the title of the class upstream derives it from, whatever its status.
    reply.send({ code: fault.status, title: titleOf(fault), description: fault.message })
  } else {
    const explanation = explanations[fault.message === '' || fault.shape === 'unavailable' ? fault.status : 400]?.replace(
      'METHOD',
      request.method,
    )
    reply.type('text/plain; charset=UTF-8').send(`${fault.status} ${titleOf(fault)}\n\n${explanation}\n\n ${fault.message}  `)
  }
}

function titleOf(fault: Fault): string {
  return fault.message === '' || fault.shape === 'unavailable' ? (titles[fault.status] ?? 'Bad Request') : 'Bad Request'
}

const titles: Record<number, string> = { 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable', 503: 'Service Unavailable' }

const explanations: Record<number, string> = {
  400: 'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  404: 'The resource could not be found.',
  405: 'The method METHOD is not allowed for this resource.',
  503: 'The server is currently unavailable. Please try again at a later time.',
  406: 'The resource could not be generated that was acceptable to your browser.',
}
