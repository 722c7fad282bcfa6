/** How a payload comes in and goes out: its types, its encodings, its bounds. */
import { isUtf8 } from 'node:buffer'
import { HttpFault } from '../../http.ts'
import type { ContentType } from '../tables.ts'
import { invalid } from './validate.ts'

/** Barbican's `max_allowed_secret_in_bytes`: of the payload as it is sent. */
const MAX_PAYLOAD_BYTES = 20_000

const supported = ['text/plain', 'text/plain;charset=utf-8', 'text/plain; charset=utf-8', 'application/octet-stream', 'application/pkcs8']
const encodingsOfBinary = ['base64', 'binary']
const pythonList = (texts: readonly string[]): string => `[${texts.map((text) => `'${text}'`).join(', ')}]`

export interface Payload {
  content_type: ContentType
  bytes: Buffer
}

/** In a body of JSON. Null when there is none; throws 400 and 413. */
export function payloadOfBody(body: {
  payload?: string
  payload_content_type?: string | null
  payload_content_encoding?: string
}): Payload | null {
  const { payload, payload_content_type, payload_content_encoding: encoding } = body
  const refuse = (reason: string, property: string) => invalid('Secret', reason, property)
  if (payload === undefined) {
    if (payload_content_type !== undefined) throw refuse('payload must be provided when payload_content_type is specified', 'payload')
    return null
  }
  if (payload_content_type === undefined || payload_content_type === null)
    throw refuse("If 'payload' is supplied, 'payload_content_type' must also be supplied.", 'payload_content_type')
  const content_type = normalize(payload_content_type)
  if (content_type === null) throw refuse(`payload_content_type is not one of ${pythonList(supported)}`, 'payload_content_type')
  const isText = content_type === 'text/plain'
  if (isText ? encoding !== undefined : encoding === undefined)
    throw refuse(`payload_content_encoding is not one of ${isText ? 'None' : pythonList(encodingsOfBinary)}`, 'payload_content_encoding')
  assertFits(Buffer.byteLength(payload))
  if (payload === '') throw refuse("If 'payload' specified, must be non empty", 'payload')
  if (isText) return { content_type, bytes: Buffer.from(payload) }
  const bytes = fromBase64(payload)
  if (bytes === null) throw refuse('Invalid payload for payload_content_encoding', 'payload')
  return { content_type, bytes }
}

/** As the whole body of a request. Throws 400, 413 and 415. `operation` is Barbican's word for it. */
export function payloadOfBytes(operation: string, contentType: string, encoding: string | undefined, body: Buffer): Payload {
  const issue = (status: number, reason: string) => new HttpFault(status, `${operation} issue seen - ${reason}.`)
  const content_type = normalize(contentType)
  if (body.length === 0) throw issue(400, 'No data supplied to process.')
  assertFits(body.length)
  if (content_type === 'text/plain') return { content_type, bytes: body }
  if (encoding !== undefined && encoding.toLowerCase() !== 'base64')
    throw issue(400, "Text-based binary secret payloads must specify a content-encoding of 'base64'")
  const bytes = encoding === undefined ? body : fromBase64(body.toString('latin1'))
  if (bytes === null) throw issue(400, 'Problem decoding payload')
  return { content_type: content_type ?? 'application/octet-stream', bytes }
}

/**
 * The type in which a payload is handed out: the first of those asked for that it has. Throws 406. `accept` is the header.
 */
export function acceptedType(accept: string | undefined, { content_type, bytes }: Payload): ContentType {
  const asked = (accept ?? 'application/octet-stream').split(',').map((range) => range.trim().replace(/;\s*q=.*$/, ''))
  for (const range of asked) {
    if (range === '*/*') return content_type
    const type = normalize(range)
    if (type !== null && (type !== 'text/plain' || isUtf8(bytes))) return type
  }
  throw new HttpFault(406, 'Secret payload retrieval issue seen - Wrong payload content-type.')
}

function normalize(mediaType: string): ContentType | null {
  const [type, charset] = mediaType
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  if (type === 'text/plain') return charset === undefined || charset === 'charset=utf-8' ? type : null
  return charset === undefined && (type === 'application/octet-stream' || type === 'application/pkcs8') ? type : null
}

function assertFits(length: number): void {
  if (length > MAX_PAYLOAD_BYTES) throw new HttpFault(413, 'Provided information too large to process')
}

/** Line breaks and the like don't matter, padding does. */
function fromBase64(text: string): Buffer | null {
  const digits = text.replace(/[^A-Za-z0-9+/=]/g, '')
  return /^[A-Za-z0-9+/]+={0,2}$/.test(digits) && digits.length % 4 === 0 ? Buffer.from(digits, 'base64') : null
}
