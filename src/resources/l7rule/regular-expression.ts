/**
 * Reads regular expressions as HAProxy's PCRE2 does (10.42, byte by byte, groups without numbers), because one that PCRE2 refuses makes HAProxy refuse
 * the whole configuration. What it takes is a part of PCRE2's language: all that Python's `re` has in common with it, which is upstream's check.
 */

/** What is wrong with it, in words that follow "Unable to parse regular expression: "; null when HAProxy takes it. */
export function problemOfRegularExpression(text: string): string | null {
  try {
    new Reader(Buffer.from(text, 'utf8').toString('latin1')).read()
    return null
  } catch (error) {
    if (error instanceof Problem) return error.message
    throw error
  }
}

class Problem extends Error {}

/** PCRE2's bound of a count in braces, and of what a lookbehind looks back over. */
const MAX_COUNT = 65_535
const MAX_NAME_LENGTH = 32
/** PCRE2 compiles into at most 64 KiB; this is counted with room for what is not. */
const MAX_SIZE = 40_000
const SIZE_OF_CLASS = 40
const SIZE_OF_GROUP = 16
const SIZE_OF_CHARACTER = 4

const posixClasses = /^\[:\^?(?:alpha|lower|upper|alnum|ascii|blank|cntrl|digit|graph|print|punct|space|word|xdigit):\]/

/**
 * How much compiled code a part becomes, how long what it matches is (null: that varies), whether it may be repeated, and whether that takes a copy
 * of it for each time.
 */
type Part = { size: number; length: number | null; repeatable: boolean; copied: boolean }

const anchor: Part = { size: 1, length: 0, repeatable: false, copied: false }
const oneCharacter: Part = { size: SIZE_OF_CHARACTER, length: 1, repeatable: true, copied: false }
const oneOfClass: Part = { ...oneCharacter, size: SIZE_OF_CLASS }

class Reader {
  private readonly text: string
  private at = 0
  private readonly names = new Set<string>()

  constructor(text: string) {
    this.text = text
  }

  read(): void {
    const { size } = this.alternatives(false)
    if (this.at < this.text.length) throw this.problem('unmatched closing parenthesis')
    if (size > MAX_SIZE) throw this.problem('it is too large')
  }

  private problem(what: string): Problem {
    return new Problem(`${what} at position ${this.at}`)
  }

  /** Takes the text if it comes next. */
  private takes(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  /** Takes what matches, which is anchored (`y`), and answers its groups. */
  private takesMatch(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)
    if (match !== null) this.at += match[0].length
    return match
  }

  /** In: whether they may differ in length though it counts: directly within a lookbehind. */
  private alternatives(mayDiffer: boolean): Part {
    const parts = [this.sequence()]
    while (this.takes('|')) parts.push(this.sequence())
    const lengths = parts.map(({ length }) => length)
    const isFixed = lengths.every((length) => length !== null && (mayDiffer || length === lengths[0]))
    const size = parts.reduce((sum, part) => sum + part.size + SIZE_OF_CHARACTER, 0)
    return { size, length: isFixed ? Math.max(...lengths.map(Number)) : null, repeatable: true, copied: true }
  }

  private sequence(): Part {
    let size = 0
    let length: number | null = 0
    while (this.at < this.text.length && !'|)'.includes(this.text[this.at]!)) {
      const part = this.repeated(this.part())
      size += part.size
      length = length === null || part.length === null ? null : length + part.length
    }
    return { size, length, repeatable: true, copied: true }
  }

  private repeated(part: Part): Part {
    const start = this.at
    const braces = this.takesMatch(/\{(\d+)(,(\d*))?\}/y)
    if (braces === null && !this.takesMatch(/[*+?]/y)) return part
    if (!part.repeatable) throw this.problem('nothing to repeat')
    const least = Number(braces?.[1] ?? 0)
    const most = braces === null || braces[3] === '' ? null : Number(braces[3] ?? least)
    if (Math.max(least, most ?? 0) > MAX_COUNT) throw this.problem('the number of repetitions is too large')
    if (most !== null && most < least) throw this.problem('the numbers of repetitions are out of order')
    this.takesMatch(/[?+]/y)
    const copies = part.copied ? Math.max(least, most ?? 1, 1) : 1
    const size = copies * (part.size + SIZE_OF_GROUP)
    // So that nothing overflows: what is within is too large as well.
    if (size > MAX_SIZE) throw this.problem('it is too large')
    const isFixed = braces !== null && this.text[start] === '{' && most === least && part.length !== null
    return { size, length: isFixed ? least * part.length! : null, repeatable: false, copied: false }
  }

  private part(): Part {
    const character = this.text[this.at++]!
    switch (character) {
      case '^':
      case '$':
        return anchor
      case '(':
        return this.group()
      case '[':
        return this.characterClass()
      case '\\':
        return this.escape()
      case '*':
      case '+':
      case '?':
        throw this.problem('nothing to repeat')
      case '{':
        // Where it begins no count it is itself; that newer versions of PCRE2 read `{,n}` as a count is no matter of chance.
        if (/^(\d+(,\d*)?|,\d+)\}/.test(this.text.slice(this.at))) throw this.problem('nothing to repeat')
        return oneCharacter
      default:
        return oneCharacter
    }
  }

  private group(): Part {
    if (this.takes('*')) throw this.problem('nothing to repeat')
    if (!this.takes('?')) return this.closed(this.alternatives(false))
    if (this.takes('#')) {
      if (!this.takesMatch(/[^)]*\)/y)) throw this.problem('missing closing parenthesis of a comment')
      return { ...anchor, size: 0 }
    }
    if (this.takes(':') || this.takes('>')) return this.closed(this.alternatives(false))
    if (this.takes('=') || this.takes('!')) return { ...this.closed(this.alternatives(false)), length: 0 }
    if (this.takes('<=') || this.takes('<!')) return this.lookbehind()
    if (this.takes('P=')) return this.reference(/([A-Za-z_]\w*)\)/y)
    if (this.takes('P<') || this.takes('<')) return this.namedGroup()
    const flags = this.takesMatch(/([ims]*)(?:-[ims]+)?([:)])/y)
    if (flags === null) throw this.problem('unknown extension of a group')
    return flags[2] === ':' ? this.closed(this.alternatives(false)) : { ...anchor, size: SIZE_OF_CHARACTER }
  }

  private closed(part: Part): Part {
    if (!this.takes(')')) throw this.problem('missing closing parenthesis')
    return { ...part, size: part.size + SIZE_OF_GROUP }
  }

  private lookbehind(): Part {
    const part = this.closed(this.alternatives(true))
    if (part.length === null || part.length > MAX_COUNT) throw this.problem('lookbehind needs a fixed length')
    return { ...part, length: 0 }
  }

  private namedGroup(): Part {
    const name = this.takesMatch(/([A-Za-z_]\w*)>/y)?.[1]
    if (name === undefined || name.length > MAX_NAME_LENGTH) throw this.problem('unusable name of a group')
    if (this.names.has(name)) throw this.problem(`there are two groups of the name ${name}`)
    this.names.add(name)
    return this.closed(this.alternatives(false))
  }

  private reference(pattern: RegExp): Part {
    const name = this.takesMatch(pattern)?.[1]
    if (name === undefined || !this.names.has(name)) throw this.problem('there is no group of this name')
    return { size: SIZE_OF_CHARACTER, length: null, repeatable: true, copied: true }
  }

  private escape(): Part {
    if (this.takesMatch(/[bBAZz]/y)) return anchor
    if (this.takesMatch(/[dDwWsShHvV]/y)) return oneCharacter
    if (this.takes('k<')) return this.reference(/([A-Za-z_]\w*)>/y)
    if (this.takesMatch(/[1-9]/y)) throw this.problem('groups can be referred to by name only, as (?P<name>...) and (?P=name)')
    this.escapedCharacter()
    return oneCharacter
  }

  /** Answers its code. */
  private escapedCharacter(): number {
    const octal = this.takesMatch(/0[0-7]{0,2}/y)
    if (octal !== null) return Number.parseInt(octal[0], 8)
    const hexadecimal = this.takesMatch(/x(?:\{0*([0-9A-Fa-f]{1,2})\}|([0-9A-Fa-f]{2}))/y)
    if (hexadecimal !== null) return Number.parseInt(hexadecimal[1] ?? hexadecimal[2]!, 16)
    const named = this.takesMatch(/[tnrfae]/y)
    if (named !== null) return '\t\n\r\f\x07\x1b'.charCodeAt('tnrfae'.indexOf(named[0]))
    const plain = this.takesMatch(/[^A-Za-z0-9]/y)
    if (plain === null) throw this.problem('unknown escape sequence')
    return plain[0].charCodeAt(0)
  }

  private characterClass(): Part {
    if (/^([:.=]).*\1\]/s.test(this.text.slice(this.at))) throw this.problem('named classes stand within [] only')
    this.takes('^')
    let isFirst = true
    while (isFirst || !this.takes(']')) {
      if (this.at >= this.text.length) throw this.problem('missing ] of a set of characters')
      const first = this.classItem()
      isFirst = false
      if (this.text[this.at] !== '-' || [']', undefined].includes(this.text[this.at + 1])) continue
      this.at++
      const last = this.classItem()
      if (first === null || last === null) throw this.problem('a range needs a character at each end')
      if (last < first) throw this.problem('a range is out of order')
    }
    return oneOfClass
  }

  /** Answers the character's code; null is a class of characters. */
  private classItem(): number | null {
    if (this.takes('\\')) {
      if (this.takesMatch(/[dDwWsShHvV]/y)) return null
      return this.takes('b') ? 8 : this.escapedCharacter()
    }
    if (/^\[[:.=]/.test(this.text.slice(this.at))) {
      const posix = posixClasses.exec(this.text.slice(this.at))
      if (posix === null) throw this.problem('unknown class of characters')
      this.at += posix[0].length
      return null
    }
    return this.text.charCodeAt(this.at++)
  }
}
