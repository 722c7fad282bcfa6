/** Makes a request that goes wrong as small as it can be and still goes wrong in the same way. */
import { bytesOf, type FuzzRequest } from './requests.ts'

/** Each is one request to the server. */
const MAX_TRIES = 400
const MAX_MS = 15_000

export async function shrink(request: FuzzRequest, goesWrong: (smaller: FuzzRequest) => Promise<boolean>): Promise<FuzzRequest> {
  let smallest = request
  let tries = 0
  const deadline = performance.now() + MAX_MS
  for (let improved = true; improved; ) {
    improved = false
    for (const candidate of smaller(smallest)) {
      if (++tries > MAX_TRIES || performance.now() > deadline) return smallest
      if (!(await goesWrong(candidate))) continue
      smallest = candidate
      improved = true
      break
    }
  }
  return smallest
}

function* smaller(request: FuzzRequest): Generator<FuzzRequest> {
  if (request.bytes !== undefined) {
    const { bytes } = request
    for (let part = bytes.length >> 1; part > 0; part >>= 1) {
      for (let at = 0; at + part <= bytes.length; at += part) {
        yield { ...request, bytes: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + part)]) }
      }
    }
    return
  }
  for (const key of ['query', 'headers'] as const) {
    for (let at = 0; at < request[key].length; at++) yield { ...request, [key]: request[key].toSpliced(at, 1) }
  }
  if (request.body !== undefined) {
    yield { ...request, body: undefined }
    let parsed: unknown
    try {
      parsed = JSON.parse(request.body)
    } catch {
      yield { ...request, bytes: bytesOf(request) }
      return
    }
    for (const value of parts(parsed)) yield { ...request, body: JSON.stringify(value) }
  }
}

/** The value with one thing less. */
function* parts(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) yield value.toSpliced(at, 1)
    for (const [at, item] of value.entries()) for (const part of parts(item)) yield value.with(at, part)
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    for (let at = 0; at < entries.length; at++) yield Object.fromEntries(entries.toSpliced(at, 1))
    for (const [at, [name, item]] of entries.entries()) {
      for (const part of parts(item)) yield Object.fromEntries(entries.with(at, [name, part]))
    }
  } else if (typeof value === 'string' && value.length > 1) {
    yield value.slice(0, value.length >> 1)
    yield value.slice(value.length >> 1)
  }
}
