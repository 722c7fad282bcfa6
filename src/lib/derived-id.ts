import { createHash } from 'node:crypto'

/** The same UUID for the same words, always, so that what is done twice gets one id. */
export function derivedId(...words: string[]): string {
  const hex = createHash('sha256').update(words.join('\0')).digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
