/** Values as Python prints them: upstream's fault texts quote what a client sent that way, and clients' tests compare them. */

const MAX_DEPTH = 50

/** As `'%s' % value`: text bare, everything else as `pythonRepr`. */
export function pythonText(value: unknown): string {
  return typeof value === 'string' ? value : pythonRepr(value)
}

/** As `repr(value)` of what `json.loads` gives for it. */
export function pythonRepr(value: unknown, depth = 0): string {
  // A body of brackets only would be deeper than the stack.
  if (depth > MAX_DEPTH) return '...'
  if (value === null || value === undefined) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map((item) => pythonRepr(item, depth + 1)).join(', ')}]`
  if (typeof value === 'object') {
    const items = Object.entries(value).map(([key, item]) => `${quoted(key)}: ${pythonRepr(item, depth + 1)}`)
    return `{${items.join(', ')}}`
  }
  return String(value)
}

export function pythonList(values: readonly unknown[]): string {
  return pythonRepr(values)
}

/** Python prefers single quotes and takes double ones only where that saves escaping. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  let result = quote
  for (const character of text) {
    const code = character.codePointAt(0)!
    if (character === quote || character === '\\') result += `\\${character}`
    else if (character === '\n') result += '\\n'
    else if (character === '\r') result += '\\r'
    else if (character === '\t') result += '\\t'
    else if (code < 0x20 || (code >= 0x7f && code < 0xa1)) result += `\\x${code.toString(16).padStart(2, '0')}`
    else result += character
  }
  return result + quote
}
