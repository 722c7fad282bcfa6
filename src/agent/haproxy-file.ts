/** A haproxy.cfg as the agent reads it: sections of lines of words. Ours and those of upstream's controllers; it need not be valid. */

/** A line that begins with one of these begins a section, however it is indented. */
const sectionKeywords = new Set(
  (
    'global defaults frontend backend listen peers userlist program resolvers mailers cache http-errors ring log-forward fcgi-app ' +
    'dynamic-update log-profile crt-store traces'
  ).split(' '),
)

export interface Section {
  head: string
  /** Without indentation, comments and empty lines. */
  lines: string[]
}

export function sectionsOf(configuration: string): Section[] {
  const sections: Section[] = []
  for (const raw of configuration.split('\n')) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    // Most lines by far are servers'; with thousands of them the look into the set shows.
    if (!line.startsWith('server ') && sectionKeywords.has(firstWord(line))) sections.push({ head: line, lines: [] })
    else sections.at(-1)?.lines.push(line)
  }
  return sections
}

/** The same, but that each answer to an HTTP client is the last one of its connection. */
export function withoutKeepAlive(configuration: string): string {
  const leaving = sectionsOf(configuration).map((section) => {
    const takesHttp = /^(?:frontend|listen)\s/.test(section.head) && section.lines.some((line) => /^mode\s+http$/.test(line))
    return { ...section, lines: takesHttp ? [...section.lines, 'option httpclose'] : section.lines }
  })
  return leaving.map(({ head, lines }) => `${head}\n${lines.map((line) => `    ${line}\n`).join('')}`).join('\n')
}

export function firstWord(line: string): string {
  return /^\S+/.exec(line)?.[0] ?? ''
}

/** `backend` or `listen`: what has servers that take clients' traffic. */
export function isBackend({ head }: Section): boolean {
  return /^(?:backend|listen)\s/.test(head)
}

export function nameOf({ head }: Section): string {
  return head.split(/\s+/, 2)[1] ?? ''
}

/** Milliseconds of the global `hard-stop-after`; null where there is none. */
export function hardStopAfterMs(configuration: string): number | null {
  const global = sectionsOf(configuration).filter(({ head }) => head === 'global')
  const line = global.flatMap(({ lines }) => lines).findLast((one) => firstWord(one) === 'hard-stop-after') ?? ''
  const [, count, unit = 'ms'] = /^\S+\s+(\d+)(us|ms|s|m|h|d)?$/.exec(line) ?? []
  return count === undefined ? null : Number(count) * milliseconds[unit as keyof typeof milliseconds]
}

const milliseconds = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * The words of a line as HAProxy splits them (`parse_line` in its `src/tools.c`): quotes, escapes, comments. Null where they depend on its
 * environment, or for what the agent never meets: then nobody here may claim to understand the line.
 */
export function wordsOf(line: string): string[] | null {
  if (!/['"\\#$]/.test(line)) return line.trim().split(/\s+/)
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!
    if (quote === "'") {
      if (character === "'") quote = ''
      else word += character
    } else if (character === '\\') {
      const escaped = line[++at]
      if (escaped === undefined || /[nrtx\w]/.test(escaped)) return null
      word = (word ?? '') + escaped
    } else if (quote === '"') {
      if (character === '$') return null
      if (character === '"') quote = ''
      else word += character
    } else if (character === "'" || character === '"') {
      quote = character
      word ??= ''
    } else if (character === '#') break
    else if (/\s/.test(character)) {
      if (word !== null) words.push(word)
      word = null
    } else word = (word ?? '') + character
  }
  if (quote !== '') return null
  if (word !== null) words.push(word)
  return words
}
