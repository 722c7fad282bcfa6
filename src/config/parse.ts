export interface ParsedOption {
  section: string
  name: string
  value: string
}

/** A line that is neither a section, an option, a comment nor a continuation. */
export class ConfigSyntaxError extends Error {}

/**
 * Reads oslo.config's format (`oslo_config/iniparser.py`): `name = value` or `name: value` under `[section]`; a line that begins with white
 * space continues the value above; `#` and `;` begin a comment only at the start of a line, inside a value they are part of it; quotes
 * around a whole value are taken off; options may be repeated. Returns the options in the order of the file.
 */
export function parseOsloConfig(text: string): ParsedOption[] {
  const found: ParsedOption[] = []
  let section = 'DEFAULT'
  let current: ParsedOption | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') {
      current = undefined
      continue
    }
    if (/^\s/.test(line)) {
      if (current === undefined) throw new ConfigSyntaxError(`line ${index + 1}: a continuation of nothing`)
      current.value += `\n${line.trim()}`
      continue
    }
    if (line.startsWith('#') || line.startsWith(';')) continue
    const header = /^\[(.+)\]\s*$/.exec(line)
    if (header) {
      section = header[1]!.trim()
      current = undefined
      continue
    }
    const separator = line.search(/[=:]/)
    if (separator < 1) throw new ConfigSyntaxError(`line ${index + 1}: neither a section nor an option`)
    current = { section, name: line.slice(0, separator).trim(), value: unquote(line.slice(separator + 1).trim()) }
    found.push(current)
  }
  return found
}

function unquote(value: string): string {
  const first = value[0]
  return value.length > 1 && (first === '"' || first === "'") && value.endsWith(first) ? value.slice(1, -1) : value
}
