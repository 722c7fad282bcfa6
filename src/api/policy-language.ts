/**
 * The language of policies: oslo.policy's (`oslo_policy/_parser.py`, `_checks.py`). A rule is read once, into a function; what is asked
 * thousands of times a second is only called.
 */

/** What a rule may ask of the caller: oslo.context's policy values. Lists are asked for any element. */
export type Credentials = Readonly<Record<CredentialName, string | boolean | readonly string[] | null>>

export const credentialNames = [
  'user_id',
  'user_domain_id',
  'system_scope',
  'domain_id',
  'project_id',
  'project_domain_id',
  'roles',
  'is_admin',
  'is_admin_project',
  'service_user_id',
  'service_project_id',
  'service_roles',
] as const

export type CredentialName = (typeof credentialNames)[number]

/** The object that is asked for. Null where no object is concerned and the caller has no project. */
export interface Target {
  readonly project_id: string | null
}

export type Check = (credentials: Credentials, target: Target) => boolean

export interface ParsedRule {
  check: Check
  /** Rules that it refers to. */
  references: ReadonlySet<string>
  /** What is no mistake of form, but can never be true. */
  doubts: readonly string[]
}

/** `position` counts the characters of the rule's text from 1; of the list form it is that of the item. */
export class PolicySyntaxError extends Error {
  readonly position: number
  constructor(message: string, position: number) {
    super(message)
    this.name = 'PolicySyntaxError'
    this.position = position
  }
}

/** How a rule gets at another one: only when it is asked, because that one may be read later. */
export type Resolve = (name: string) => Check

type Word = { text: string; position: number }

/** `and` binds tighter than `or`, `not` tighter than both. In: a text, or the older list of lists (any of: all of). Throws PolicySyntaxError. */
export function parseRule(rule: unknown, resolve: Resolve): ParsedRule {
  const references = new Set<string>()
  const doubts: string[] = []
  const leaf = (word: Word) => leafCheck(word, resolve, references, doubts)
  const check = typeof rule === 'string' ? textCheck(rule, leaf) : listCheck(rule, leaf)
  return { check, references, doubts }
}

const always: Check = () => true
const never: Check = () => false
const any = (checks: Check[]): Check => (checks.length === 1 ? checks[0]! : (who, what) => checks.some((check) => check(who, what)))
const all = (checks: Check[]): Check => (checks.length === 1 ? checks[0]! : (who, what) => checks.every((check) => check(who, what)))

/** The deepest nesting of parentheses and `not`. */
const MAX_DEPTH = 100

function textCheck(text: string, leaf: (word: Word) => Check): Check {
  if (text.trim() === '') return always
  const words = wordsOf(text)
  let next = 0
  const isNext = (keyword: string) => words[next]?.text.toLowerCase() === keyword
  const check = alternatives(0)
  if (next < words.length) throw new PolicySyntaxError(`'${words[next]!.text}' was not expected`, words[next]!.position)
  return check

  function alternatives(depth: number): Check {
    const checks = [conjunction(depth)]
    while (isNext('or')) {
      next++
      checks.push(conjunction(depth))
    }
    return any(checks)
  }

  function conjunction(depth: number): Check {
    const checks = [factor(depth)]
    while (isNext('and')) {
      next++
      checks.push(factor(depth))
    }
    return all(checks)
  }

  function factor(depth: number): Check {
    const word = words[next++]
    if (word === undefined) throw new PolicySyntaxError('the rule ends where a check should follow', text.length + 1)
    if (depth > MAX_DEPTH) throw new PolicySyntaxError(`nested deeper than ${MAX_DEPTH}`, word.position)
    if (word.text.toLowerCase() === 'not') {
      const negated = factor(depth + 1)
      return (who, what) => !negated(who, what)
    }
    if (word.text === '(') {
      const inner = alternatives(depth + 1)
      if (!isNext(')')) throw new PolicySyntaxError("this '(' is not closed", word.position)
      next++
      return inner
    }
    if (word.text === ')' || ['and', 'or'].includes(word.text.toLowerCase())) {
      throw new PolicySyntaxError(`a check should stand where '${word.text}' does`, word.position)
    }
    return leaf(word)
  }
}

/** Parentheses stand alone at the ends of what blanks part; inside, as in `%(project_id)s`, they belong to the word. */
function wordsOf(text: string): Word[] {
  const words: Word[] = []
  for (const { 0: token, index } of text.matchAll(/\S+/g)) {
    const opening = /^\(*/.exec(token)![0].length
    const closing = opening === token.length ? 0 : /\)*$/.exec(token)![0].length
    for (let i = 0; i < opening; i++) words.push({ text: '(', position: index + i + 1 })
    const middle = token.slice(opening, token.length - closing)
    if (middle !== '') words.push({ text: middle, position: index + opening + 1 })
    for (let i = token.length - closing; i < token.length; i++) words.push({ text: ')', position: index + i + 1 })
  }
  return words
}

function listCheck(rule: unknown, leaf: (word: Word) => Check): Check {
  if (!Array.isArray(rule)) throw new PolicySyntaxError('a rule is a text or a list', 1)
  if (rule.length === 0) return always
  const checks: Check[] = []
  for (const [index, item] of rule.entries()) {
    const texts = Array.isArray(item) ? item : [item]
    if (!texts.every((text): text is string => typeof text === 'string')) {
      throw new PolicySyntaxError('a list holds checks or lists of checks', index + 1)
    }
    if (texts.length > 0) checks.push(all(texts.map((text) => leaf({ text, position: index + 1 }))))
  }
  return checks.length === 0 ? never : any(checks)
}

function leafCheck({ text, position }: Word, resolve: Resolve, references: Set<string>, doubts: string[]): Check {
  if (text === '@') return always
  if (text === '!') return never
  const colon = text.indexOf(':')
  if (colon < 1) throw new PolicySyntaxError(`'${text}' is no check: kind:match, @ or !`, position)
  const kind = text.slice(0, colon)
  const match = text.slice(colon + 1)
  if (kind === 'rule') {
    references.add(match)
    let check: Check | undefined
    return (who, what) => {
      check ??= resolve(match)
      return check(who, what)
    }
  }
  if (kind === 'http' || kind === 'https') throw new PolicySyntaxError(`checks by ${kind} are not supported`, position)
  if (kind === 'is_admin') {
    const wanted = match.toLowerCase() === 'true'
    return ({ is_admin }) => is_admin === wanted
  }
  const wanted = matchOf(match, position, (name) => doubts.push(`no object has a ${name}: ${text} is never true`))
  if (kind === 'role') {
    return ({ roles }, target) => {
      const role = wanted(target)?.toLowerCase()
      return role !== undefined && (roles as readonly string[]).some((has) => has.toLowerCase() === role)
    }
  }
  const literal = literalOf(kind)
  if (literal !== undefined) return (_, target) => wanted(target) === literal
  if (/['"]/.test(kind)) throw new PolicySyntaxError(`'${text}': what stands before the colon is no name`, position)
  const name = credentialNames.find((known) => known === kind)
  if (name === undefined) {
    doubts.push(`callers have no ${kind}: ${text} is never true`)
    return never
  }
  return (who, target) => {
    const value = who[name]
    const asked = wanted(target)
    return typeof value === 'object' && value !== null ? asked !== undefined && value.includes(asked) : pythonString(value) === asked
  }
}

/** The text with `%(project_id)s` replaced; undefined where the object has no such attribute. */
function matchOf(match: string, position: number, unknown: (name: string) => void): (target: Target) => string | undefined {
  const parts = match.split(/%\((\w+)\)s/)
  if (parts.length === 1 && !match.includes('%')) return () => match
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0 && part.replaceAll('%%', '').includes('%')) {
      throw new PolicySyntaxError(`'${match}': only %(name)s may follow a %`, position)
    }
    if (index % 2 === 1 && part !== 'project_id') {
      unknown(part)
      return () => undefined
    }
  }
  return ({ project_id }) => parts.map((part, index) => (index % 2 === 0 ? part.replaceAll('%%', '%') : pythonString(project_id))).join('')
}

/** A kind that is a literal of Python's is compared itself; undefined when it is none. */
function literalOf(kind: string): string | undefined {
  const quoted = /^(['"])(.*)\1$/.exec(kind)
  if (quoted) return quoted[2]!
  return /^(True|False|None|-?\d+(\.\d+)?)$/.test(kind) ? kind : undefined
}

/** As Python's `str` writes it. So a caller without project matches an object that is none. */
function pythonString(value: string | boolean | null | undefined | readonly string[]): string {
  if (value === null || value === undefined) return 'None'
  return value === true ? 'True' : value === false ? 'False' : String(value)
}
