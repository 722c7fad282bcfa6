/**
 * The files in user data: cloud-init's `write_files`, as a controller with `user_data_config_drive` sends them (upstream's
 * `octavia/common/jinja/templates/user_data_config_drive.template`; ours writes JSON, which is YAML). Of other YAML only what upstream's form needs is
 * read: a list of mappings whose values are one-line scalars or literal blocks; anything else is refused, not guessed at.
 */

export class CloudConfigError extends Error {}

interface Entry {
  path?: string
  content?: string
  encoding?: string
  append?: string
}

/** Path to contents; empty for user data that is no cloud-config or has no `write_files`. Throws CloudConfigError, which never holds contents. */
export function filesInCloudConfig(text: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const lines = text.split(/\r?\n/)
  if (lines[0]?.trim() !== '#cloud-config') return files
  const entries = lines[1]?.startsWith('{') ? entriesInJson(lines.slice(1).join('\n')) : entriesInYaml(lines)
  for (const { path, content = '', encoding, append } of entries) {
    if (path === undefined) throw new CloudConfigError('user data: an entry of write_files has no path')
    if (append !== undefined && append !== 'false')
      throw new CloudConfigError(`user data: ${path} is to be appended to, which is not known here`)
    files.set(path, decoded(path, content, encoding))
  }
  return files
}

function decoded(path: string, content: string, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === 'text/plain') return Buffer.from(content)
  if (encoding === 'b64' || encoding === 'base64') return Buffer.from(content, 'base64')
  throw new CloudConfigError(`user data: the encoding of ${path} is not known here`)
}

function entriesInJson(text: string): Entry[] {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    // What JSON.parse says of it holds some of it.
    throw new CloudConfigError('user data: begins as JSON, and is none')
  }
  const { write_files = [] } = data as { write_files?: unknown }
  const isEntry = (value: unknown): value is Record<string, string> =>
    typeof value === 'object' && value !== null && Object.entries(value).every(([key, part]) => !isKept(key) || typeof part === 'string')
  if (!Array.isArray(write_files) || !write_files.every(isEntry))
    throw new CloudConfigError('user data: write_files is no list of mappings of texts')
  return write_files.map(({ path, content, encoding, append }) => ({ path, content, encoding, append }))
}

function entriesInYaml(lines: readonly string[]): Entry[] {
  const found: Entry[] = []
  const start = lines.findIndex((line) => /^write_files:\s*$/.test(line))
  if (start < 0) return found
  let column = -1
  for (let at = start + 1; at < lines.length; ) {
    const line = lines[at]!
    if (line.trim() === '' || /^\s*#/.test(line)) {
      at++
      continue
    }
    const item = /^(\s*-\s+)\S/.exec(line)
    if (item === null && /^\S/.test(line)) break // the next part of the cloud-config
    if (item !== null) {
      found.push({})
      column = item[1]!.length
    }
    const [, key, value] = /^(\w+):(?:\s+(.*?))?\s*$/.exec(line.slice(column)) ?? []
    if (column < 0 || key === undefined || (item === null && line.slice(0, column).trim() !== ''))
      throw new CloudConfigError(`user data, line ${at + 1}: neither an entry of write_files nor a part of one`)
    const block = /^\|([+-]?)$/.exec(value ?? '')
    const [text, next] = block === null ? [scalar(value ?? '', at), at + 1] : literalBlock(lines, at + 1, column, block[1]!)
    if (isKept(key)) found.at(-1)![key] = text
    at = next
  }
  return found
}

/** Owner and permissions are not the sender's to say. */
function isKept(key: string): key is keyof Entry {
  return key === 'path' || key === 'content' || key === 'encoding' || key === 'append'
}

/** A block whose lines are indented deeper than its key; answers its text and the line after it. */
function literalBlock(lines: readonly string[], first: number, column: number, chomping: string): [string, number] {
  let indentation = 0
  let end = first
  for (; end < lines.length; end++) {
    const line = lines[end]!
    if (line.trim() === '') continue
    const depth = line.search(/\S/)
    if (indentation === 0) indentation = depth
    if (depth <= column - 1 || depth < indentation) break
  }
  const text = lines
    .slice(first, end)
    .map((line) => line.slice(indentation))
    .join('\n')
  if (chomping === '+') return [`${text}\n`, end]
  const trimmed = text.replace(/\n+$/, '')
  return [chomping === '-' || trimmed === '' ? trimmed : `${trimmed}\n`, end]
}

function scalar(text: string, line: number): string {
  if (/^'(?:[^']|'')*'$/.test(text)) return text.slice(1, -1).replaceAll("''", "'")
  try {
    if (text.startsWith('"')) return String(JSON.parse(text))
  } catch {
    // Refused below, as what YAML knows and JSON does not.
  }
  if (/^(?:[\w./+=~-][\w./+=~:-]*)?$/.test(text)) return text
  throw new CloudConfigError(`user data, line ${line + 1}: a value that is not known here`)
}
