/**
 * HAProxy's configuration as sections of lines of words, and the one printer that turns them into text. A word is what HAProxy will read as one
 * argument, whatever is in it; nothing else in this room knows about quoting.
 */
import { failure } from '../resources/failures.ts'

export type Word = string | number
export type Line = readonly Word[]
export type Section = { head: Line; lines: Line[] }

/** HAProxy reads no line that is longer (its `LINESIZE`). */
const MAX_LINE_LENGTH = 2_000

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
  if (/[\x00-\x1f\x7f]/.test(text)) throw failure('control_character')
  if (/^[\w.,:;/@%+=!?*&|<>~^()[\]{}-]+$/.test(text)) return text
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * The name of a header, cookie or certificate field where HAProxy wants it in parentheses, which have a syntax of their own: only the characters
 * of an RFC 9110 token that mean nothing there are let through. Throws VisibleError.
 */
export function nameInParentheses(name: string): string {
  if (!/^[A-Za-z0-9!#$%&*+.^_`|~-]+$/.test(name)) throw failure('unusable_name', { details: name })
  return name
}

/** A text where HAProxy would expand its log variables. */
export function withoutVariables(text: string): string {
  return text.replaceAll('%', '%%')
}
