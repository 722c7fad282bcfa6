/** Policy files: oslo.policy's YAML (and JSON, which is YAML), a rule per name. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { type Config, ConfigError } from '../config/config.ts'
import { apiRules, roleRules } from './policy-defaults.ts'
import { type Check, type ParsedRule, PolicySyntaxError, parseRule } from './policy-language.ts'

const MAX_FILE_BYTES = 1_048_576

export interface RuleSet {
  /** In: the name of a rule, or of none. */
  check(name: string): Check
  /** What is allowed in a file, but surely not meant. */
  warnings: readonly string[]
}

interface FileRule {
  rule: unknown
  /** `file:line`. */
  where: string
}

/** Absolute paths of the files that hold now: `policy_file`, then the files of `policy_dirs` by name. Later ones win, rule by rule. */
export function policyFiles({ oslo_policy, configDirectory }: Config): string[] {
  const absolute = (path: string) => (isAbsolute(path) ? path : configDirectory === null ? null : join(configDirectory, path))
  const file = absolute(oslo_policy.policy_file)
  const files = file !== null && statSync(file, { throwIfNoEntry: false })?.isFile() ? [file] : []
  for (const path of oslo_policy.policy_dirs) {
    const directory = absolute(path)
    if (directory === null || !statSync(directory, { throwIfNoEntry: false })?.isDirectory()) continue
    const names = readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
    files.push(...names.sort().map((name) => join(directory, name)))
  }
  return files
}

/** Throws ConfigError, which names file, line, rule and position, for what is no policy; so too for rules that go round in a circle. */
export function readPolicies(files: readonly string[], { oslo_policy }: Config): RuleSet {
  const fileRules = new Map<string, FileRule>()
  for (const file of files) for (const [name, rule] of readFile(file)) fileRules.set(name, rule)

  const rules = new Map<string, ParsedRule>()
  const parse = (rule: unknown) => parseRule(rule, resolve)
  for (const [name, { rule, legacy }] of Object.entries(roleRules)) {
    rules.set(name, parse(legacy === undefined || oslo_policy.enforce_new_defaults ? rule : `${rule} or ${legacy}`))
  }
  for (const [name, rule] of Object.entries(apiRules)) rules.set(name, parse(rule))
  const ofUpstream = new Set(rules.keys())
  for (const [name, { rule, where }] of fileRules) {
    try {
      rules.set(name, parse(rule))
    } catch (error) {
      if (!(error instanceof PolicySyntaxError)) throw error
      throw new ConfigError(`${where}: rule '${name}', position ${error.position}: ${error.message}`)
    }
  }
  refuseCircles()
  return { check: resolve, warnings: doubts() }

  function resolve(name: string): Check {
    return (rules.get(name) ?? rules.get(oslo_policy.policy_default_rule))?.check ?? (() => false)
  }

  function refuseCircles(): void {
    const done = new Set<string>()
    for (const name of rules.keys()) walk(name, [])
    function walk(name: string, path: string[]): void {
      if (done.has(name)) return
      const known = rules.has(name) ? name : oslo_policy.policy_default_rule
      const start = path.indexOf(known)
      if (start >= 0) {
        const circle = [...path.slice(start), known]
        const where = circle.map((part) => fileRules.get(part)?.where).find((found) => found !== undefined)
        throw new ConfigError(`${where}: rule '${circle[0]}', position 1: goes round in a circle: ${circle.join(' → ')}`)
      }
      for (const reference of rules.get(known)?.references ?? []) walk(reference, [...path, known])
      done.add(known)
    }
  }

  function doubts(): string[] {
    const referred = new Set([...rules.values()].flatMap(({ references }) => [...references]))
    return [...fileRules].flatMap(([name, { where }]) => {
      const { references, doubts } = rules.get(name)!
      const isUnknown = !ofUpstream.has(name) && !referred.has(name) && name !== oslo_policy.policy_default_rule
      const undefined_ = [...references].filter((reference) => !rules.has(reference))
      return [
        ...(isUnknown ? ['there is no such rule, and no other one refers to it'] : []),
        ...undefined_.map((reference) => `it refers to '${reference}', which is not defined`),
        ...doubts,
      ].map((text) => `${where}: rule '${name}': ${text}`)
    })
  }
}

function readFile(file: string): Map<string, FileRule> {
  const { size } = statSync(file)
  if (size > MAX_FILE_BYTES) throw new ConfigError(`${file}: larger than ${MAX_FILE_BYTES} bytes`)
  const lineCounter = new LineCounter()
  // PyYAML's dialect.
  const document = parseDocument(readFileSync(file, 'utf8'), { version: '1.1', lineCounter, prettyErrors: false })
  const at = (offset: number | undefined) => `${file}:${offset === undefined ? 1 : lineCounter.linePos(offset).line}`
  const [error] = document.errors
  if (error) throw new ConfigError(`${at(error.pos[0])}: no YAML, column ${lineCounter.linePos(error.pos[0]).col}: ${error.message}`)
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return new Map()
  if (!isMap(document.contents)) throw new ConfigError(`${at(0)}: a policy file holds names and rules, as "name": "rule"`)
  const rules = new Map<string, FileRule>()
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const where = at(isNode(key) ? key.range?.[0] : undefined)
    if (name === '') throw new ConfigError(`${where}: a rule has a name`)
    rules.set(name, { rule: isNode(value) ? value.toJS(document) : value, where })
  }
  return rules
}
