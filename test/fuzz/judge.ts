/** What no answer may be, whatever was asked. */
import type { FuzzRequest } from './requests.ts'
import type { Reply } from './wire.ts'

/** Documented: what the provider cannot do, and a service that is needed and away. */
const allowedServerErrors: ReadonlySet<number> = new Set([501, 503])

/** Words of our own house, which have no business outside of it. No request says them. */
const leaks =
  /node_modules|node:internal|\.ts:\d|\bat \S+ \(|SQLITE_|ERR_[A-Z]{3}|TypeError|RangeError|Kysely|kysely|SyntaxError|relation "/

/** What is wrong with the reply, in a few words; null when nothing is. */
export function judge(request: FuzzRequest, { status, headers, body }: Reply): string | null {
  if (status >= 500 && !allowedServerErrors.has(status)) return `status ${status}`
  if (leaks.test(body)) return 'a leak'
  const type = headers.get('content-type') ?? ''
  // To an expectation that it does not know node itself answers, in chunks of nothing.
  if (body === '' || status === 417) return null
  if (type.startsWith('application/json')) return isJson(body) ? null : 'no JSON'
  return isJsonDue(request) ? `${type || 'no type'} where JSON is due` : null
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Faults from before a handler was found are plain text to whoever does not ask for JSON, as upstream's; so is the health check. */
function isJsonDue({ headers, path, bytes }: FuzzRequest): boolean {
  if (bytes !== undefined || path.includes('healthcheck')) return false
  const accepts = headers.filter(([name]) => name === 'Accept')
  return accepts.every(([, value]) => value.includes('json'))
}
