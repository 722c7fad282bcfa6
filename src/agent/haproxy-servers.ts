/** The `server` lines of a haproxy.cfg: what HAProxy can be told of them while it runs, and which of them need no check beforehand. */
import { isIP } from 'node:net'
import { wordsOf } from './haproxy-file.ts'

export interface Server {
  name: string
  address: string
  weight: number
  disabled: boolean
  isChecked: boolean
  /** Only HAProxy's start can give a server one (2.6: "'cookie' option is not accepted for dynamic server"). */
  hasCookie: boolean
  /** What else the line says, keyword by keyword in its order. */
  options: string[]
}

interface Keyword {
  /** The values that are right in themselves; none means that the keyword stands alone. */
  value?: RegExp
  /** Whether the keyword is right whatever else the line says, with such a value. */
  isPlain: boolean
}

const plain = (value?: RegExp): Keyword => ({ value, isPlain: true })
/** Right only beside others, or only with files and names that HAProxy has to know. */
const dependent = (value?: RegExp): Keyword => ({ value, isPlain: false })
const positive = /^[1-9]\d{0,4}$/
/** HAProxy's timers end at 24 days. */
const time = /^[1-9]\d{0,5}(?:ms|s)?$/
/** Without a character that HAProxy's command line reads otherwise than its file. */
const safe = /^[\w.:/@%,+=!*^~?&|<>(){}[\]-]+$/

/** What `add server` of HAProxy 2.6 takes, as far as Octavia's controllers and ours write it. A line with any other word is left to a reload. */
const keywords: Record<string, Keyword> = {
  weight: plain(/^(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-6])$/),
  disabled: plain(),
  cookie: plain(/^[\w.-]{1,64}$/),
  backup: plain(),
  check: plain(),
  'check-ssl': plain(),
  'send-proxy': plain(),
  'send-proxy-v2': plain(),
  inter: plain(time),
  fastinter: plain(time),
  downinter: plain(time),
  fall: plain(positive),
  rise: plain(positive),
  port: plain(positive),
  addr: dependent(safe),
  verify: dependent(/^(?:none|required)$/),
  ssl: dependent(),
  crt: dependent(safe),
  'ca-file': dependent(safe),
  'crl-file': dependent(safe),
  ciphers: dependent(safe),
  ciphersuites: dependent(safe),
  alpn: dependent(safe),
  sni: dependent(safe),
  verifyhost: dependent(safe),
  'check-sni': dependent(safe),
  'check-alpn': dependent(safe),
  'check-send-proxy': dependent(),
  'send-proxy-v2-ssl': dependent(),
  'send-proxy-v2-ssl-cn': dependent(),
  'no-check-ssl': dependent(),
  'no-sslv3': dependent(),
  'no-tlsv10': dependent(),
  'no-tlsv11': dependent(),
  'no-tlsv12': dependent(),
  'no-tlsv13': dependent(),
  'ssl-min-ver': dependent(safe),
  'ssl-max-ver': dependent(safe),
  id: dependent(/^[1-9]\d{0,9}$/),
  maxconn: dependent(positive),
}

/** More words and bytes than this HAProxy does not read (its MAX_LINE_ARGS and LINESIZE are 64 and 2048). */
const MAX_WORDS = 60
const MAX_LINE_BYTES = 2_000

/** Null for a line that says something the agent does not know. */
export function parseServer(line: string): Server | null {
  const words = wordsOf(line)
  if (words === null || words.length < 3 || words.length > MAX_WORDS || Buffer.byteLength(line) > MAX_LINE_BYTES) return null
  const [, name, address, ...rest] = words as [string, string, string, ...string[]]
  if (!/^[\w.-]{1,64}$/.test(name) || !safe.test(address)) return null
  const server: Server = { name, address, weight: 1, disabled: false, isChecked: false, hasCookie: false, options: [] }
  for (let at = 0; at < rest.length; at++) {
    const keyword = rest[at]!
    const known = Object.hasOwn(keywords, keyword) ? keywords[keyword]! : null
    if (known === null) return null
    const value = known.value === undefined ? undefined : rest[++at]
    if (known.value !== undefined && !(value !== undefined && known.value.test(value))) return null
    if (keyword === 'weight') server.weight = Number(value)
    else if (keyword === 'disabled') server.disabled = true
    else server.options.push(value === undefined ? keyword : `${keyword} ${value}`)
    if (keyword === 'check') server.isChecked = true
    if (keyword === 'cookie') server.hasCookie = true
  }
  return server
}

/** Whether two servers differ in nothing but weight and `disabled`. */
export function isSameServer(one: Server, other: Server): boolean {
  return one.address === other.address && one.options.join(' ') === other.options.join(' ')
}

/**
 * Whether HAProxy is sure to accept this line beside `accepted`, servers of the same backend that it has accepted already: everything in it is
 * right in itself, or is what one of them says too.
 */
export function isSureToBeAccepted(server: Server, accepted: () => Iterable<Server>): boolean {
  if (!isEndpoint(server.address)) return false
  const number = numberOf(server)
  if (number !== undefined) {
    if (Number(number) > MAX_NUMBER) return false
    for (const other of accepted()) if (numberOf(other) === number) return false
  }
  if (server.options.every((option) => isNumber(option) || isRightInItself(option))) return true
  const text = textOfOptions(server)
  for (const other of accepted()) if (textOfOptions(other) === text) return true
  return false
}

const MAX_NUMBER = 2 ** 31 - 1

/** Its `id`, of which each server of a backend has another. */
function numberOf({ options }: Server): string | undefined {
  return options.find(isNumber)?.slice('id '.length)
}

function isNumber(option: string): boolean {
  return option.startsWith('id ')
}

/** Of what is different for each member only the form counts. */
function textOfOptions({ options }: Server): string {
  const differs = (option: string) => isNumber(option) || (/^(?:backup$|addr |port |cookie )/.test(option) && isRightInItself(option))
  return options.filter((option) => !differs(option)).join(' ')
}

function isRightInItself(option: string): boolean {
  const [keyword, value] = option.split(' ') as [string, string?]
  if (keyword === 'addr') return isIP(withoutBrackets(value!)) !== 0
  if (keyword === 'port') return isPort(value!)
  if (option === 'verify none') return true
  return keywords[keyword]!.isPlain
}

function isEndpoint(address: string): boolean {
  const colon = address.lastIndexOf(':')
  return isIP(withoutBrackets(address.slice(0, colon))) !== 0 && isPort(address.slice(colon + 1))
}

function isPort(text: string): boolean {
  return positive.test(text) && Number(text) <= 65_535
}

function withoutBrackets(address: string): string {
  return address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
}
