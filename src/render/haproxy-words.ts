/**
 * HAProxy's configuration as sections of lines of words, and the one printer that turns them into text. A word is what HAProxy will read as one
 * argument, whatever is in it; nothing else in this room knows about quoting.
 */
import { formatIp, parseIp } from '../lib/ip.ts'
import { failure } from '../resources/failures.ts'

export type Word = string | number
export type Line = readonly Word[]
export type Section = { head: Line; lines: Line[] }

/** The longest that the API lets through, a list of all status codes or of ciphers, is half of it; HAProxy reads far longer ones. */
const MAX_LINE_LENGTH = 10_000

export function printSections(sections: Section[]): string {
  return sections.map(({ head, lines }) => `${printLine(head)}\n${lines.map((line) => `    ${printLine(line)}\n`).join('')}`).join('\n')
}

function printLine(line: Line): string {
  const printed = line.map(printWord).join(' ')
  if (Buffer.byteLength(printed) > MAX_LINE_LENGTH) throw failure('value_too_long', { details: `${printed.slice(0, 60)}...` })
  return printed
}

/** Bare where HAProxy sees nothing special in any of its characters, else in single quotes, within which nothing is special but the quote. */
function printWord(word: Word): string {
  const text = String(word)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(text)) throw failure('control_character')
  if (/^[\w.,:;/@%+=!?*&|<>~^()[\]{}-]+$/.test(text)) return text
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * The name of a header, cookie or certificate field where HAProxy wants it in parentheses, which have a syntax of their own: what means something
 * there is put in quotes. Throws VisibleError.
 */
export function nameInParentheses(name: string): string {
  if (/^[A-Za-z0-9!#$%&*+.^_`|~-]+$/.test(name)) return name
  if (!/^[\x20-\x7e]+$/.test(name) || /["\\]/.test(name)) throw failure('unusable_name', { details: name })
  return `"${name}"`
}

/** A text where HAProxy would expand its log variables. */
export function withoutVariables(text: string): string {
  return text.replaceAll('%', '%%')
}

/** `host:port`, with an IPv6 address in brackets. Throws VisibleError for what is no address. */
export function endpoint(address: string, port: number): string {
  return `${bracketed(address)}:${port}`
}

/** HAProxy takes the last group of an IPv6 address for a port unless brackets say otherwise. */
export function bracketed(address: string): string {
  const ip = parseIp(address)
  if (ip === null) throw failure('no_ip_address', { details: address })
  return ip.version === 6 ? `[${formatIp(ip)}]` : formatIp(ip)
}
