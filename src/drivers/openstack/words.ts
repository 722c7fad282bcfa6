/** What a service of OpenStack says is wrong; each has its own form of fault. */

/** Longer texts, such as a proxy's page, are cut. */
const MAX_WORDS = 500

/** In: the body of an answer. Out: the words of its fault, or the body itself where it is none that is known. */
export function wordsOf(text: string): string {
  return (messageOf(faultOf(text)) ?? text).replace(/\s+/g, ' ').trim().slice(0, MAX_WORDS)
}

/** The service's name for what is wrong: Neutron's exception (`IpAddressInUse`), Nova's kind of fault (`itemNotFound`); null where there is none. */
export function typeOf(text: string): string | null {
  const fault = faultOf(text)
  if (fault === undefined) return null
  const [key, value] = Object.entries(fault)[0] ?? []
  if (!isObject(value)) return null
  return typeof value.type === 'string' ? value.type : (key ?? null)
}

/** Nova `{KIND: {message}}`, Neutron `{NeutronError: {message, type} | text}`, Keystone `{error: {message}}`, Barbican `{description}`, Glance `{message}`. */
function messageOf(fault: Record<string, unknown> | undefined): string | undefined {
  if (fault === undefined) return undefined
  const inner = Object.values(fault)[0]
  const candidates = [fault.description, fault.message, fault.NeutronError, isObject(inner) ? inner.message : undefined]
  return candidates.find((candidate): candidate is string => typeof candidate === 'string')
}

function faultOf(text: string): Record<string, unknown> | undefined {
  try {
    const body: unknown = JSON.parse(text)
    return isObject(body) ? body : undefined
  } catch {
    return undefined
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
