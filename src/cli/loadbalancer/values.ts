/** What the user typed becomes the fields of a body or query. */
import { isIP } from 'node:net'
import { idOf } from './look-ups.ts'
import type { Session } from './session.ts'
import type { Option } from './table.ts'

/** An option's value makes no sense. */
export class ValueError extends Error {}

type Fields = Record<string, unknown>

/** In: what was typed, by flag. Throws ValueError, LookUpError. */
export async function fieldsOf(session: Session, options: readonly Option[], typed: Fields): Promise<Fields> {
  const fields: Fields = {}
  for (const option of options) {
    const value = typed[flagOf(option)]
    if (value !== undefined) fields[option.field] = await fieldValue(session, option, value)
  }
  return fields
}

/** Without its dashes. */
function flagOf({ flags }: Option): string {
  return flags.split(' ', 1)[0]!.slice(2)
}

const none = new Set(['none', 'null', 'void'])

async function fieldValue(session: Session, option: Option, typed: unknown): Promise<unknown> {
  const { kind } = option
  // Of flags and of what may be repeated the parser knows.
  if (kind === 'true') return true
  if (kind === 'false') return false
  if (kind === 'null') return null
  if (kind === 'list' || kind === 'words') return typed
  if (kind === 'additional vip') return Promise.all((typed as string[]).map((text) => additionalVip(session, option, text)))
  const text = typed as string
  if (typeof kind === 'object') return kind.orNone && none.has(text.toLowerCase()) ? null : idOf(session, kind.lookUp, text)
  if (kind === 'text or none' && none.has(text.toLowerCase())) return null
  if (kind === 'integer' && !/^[+-]?\d+$/.test(text)) throw wrong(option, text, 'should be a whole number')
  if (kind === 'number' && !(text.trim() !== '' && Number.isFinite(Number(text)))) throw wrong(option, text, 'should be a number')
  if (kind === 'pairs') return pairsOf(option, text)
  return chosen(option, kind === 'integer' || kind === 'number' ? Number(text) : text)
}

function chosen(option: Option, value: string | number): string | number {
  const { choices } = option
  if (choices === undefined) return value
  const upper = typeof value === 'string' ? value.toUpperCase() : value
  if (!choices.includes(upper)) throw wrong(option, String(value), `should be one of: ${choices.join(', ')}`)
  return upper
}

function pairsOf(option: Option, text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => {
    const end = pair.indexOf('=')
    if (end < 1) throw wrong(option, text, 'should be name=value, parted by commas')
    return [pair.slice(0, end), pair.slice(end + 1)] as const
  })
  return Object.fromEntries(pairs)
}

async function additionalVip(session: Session, option: Option, text: string): Promise<object> {
  const { 'subnet-id': subnet, 'ip-address': ip_address, ...others } = pairsOf(option, text)
  if (subnet === undefined) throw wrong(option, text, 'should have a subnet-id')
  if (Object.keys(others).length > 0) throw wrong(option, text, 'has nothing but subnet-id and ip-address')
  if (ip_address !== undefined && isIP(ip_address) === 0) throw wrong(option, ip_address, 'should be an address')
  return { subnet_id: await idOf(session, 'subnet', subnet), ...(ip_address === undefined ? {} : { ip_address }) }
}

const wrong = (option: Option, text: string, what: string) => new ValueError(`--${flagOf(option)}: '${text}' ${what}`)
