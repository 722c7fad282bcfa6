import { dirname, resolve } from 'node:path'
import { withDriverDefaults } from './driver-defaults.ts'
import type { Option } from './option.ts'
import { type Options, options } from './options.ts'
import { parseOsloConfig } from './parse.ts'
import { isWithoutEffect } from './without-effect.ts'

/** The values of all options, and where the state lies. */
export interface Config extends Options {
  /** Absolute path; holds the database, certificates and the embedded cloud's files. */
  readonly stateDirectory: string
  /** Absolute path of the directory of octavia.conf, beside which relative names of other files are; null without one. */
  readonly configDirectory: string | null
  /** `section.name` of every option that a file or the caller set, to tell a default from a choice. */
  readonly given: ReadonlySet<string>
}

/** A wrong value: names section, option and value (secrets excepted). */
export class ConfigError extends Error {}

export interface ConfigSource {
  stateDirectory: string
  /** The text of an octavia.conf, and its name for messages. */
  file?: { name: string; text: string }
  /** Defaults that differ from the table's, such as the embedded cloud's; a file wins over them. */
  defaults?: { [S in keyof Options]?: Partial<Options[S]> }
  /** What the command line asks for; wins over everything. */
  overrides?: { [S in keyof Options]?: Partial<Options[S]> }
  /** Told of options the table doesn't know. */
  warn?: (text: string) => void
}

/** Reads the options from their sources. Throws ConfigError on a wrong value; an unknown option is only a warning. */
export function loadConfig(source: ConfigSource): Config {
  const parsed = source.file === undefined ? [] : parseOsloConfig(source.file.text)
  const given = new Set<string>()
  const values: Record<string, Record<string, unknown>> = {}
  const asked = new Map<string, string[]>()
  for (const { section, name, value } of parsed) {
    const known = (options as Record<string, Record<string, Option<unknown>>>)[section]?.[name]
    if (known === undefined) {
      const option = `[${section}] ${name}`
      source.warn?.(`${source.file?.name}: ${isWithoutEffect(section, name) ? `${option} has no effect here` : `unknown option ${option}`}`)
    }
    const key = `${section}.${name}`
    asked.set(key, [...(asked.get(key) ?? []), value])
  }
  for (const [section, table] of Object.entries(options) as [keyof Options, Record<string, Option<unknown>>][]) {
    const result: Record<string, unknown> = {}
    for (const [name, option] of Object.entries(table)) {
      const texts = asked.get(`${section}.${name}`)
      const override = (source.overrides?.[section] as Record<string, unknown> | undefined)?.[name]
      const otherDefault = (source.defaults?.[section] as Record<string, unknown> | undefined)?.[name]
      if (texts !== undefined) {
        // As oslo.config does: of an option that is not a list, the last one counts.
        const text = option.repeated ? texts.join('\n') : texts.at(-1)!
        try {
          result[name] = option.parse(text)
        } catch (error) {
          const shown = option.secret ? 'the value' : `the value '${text}'`
          throw new ConfigError(`${source.file?.name}: [${section}] ${name}: ${shown} ${(error as Error).message}`)
        }
        given.add(`${section}.${name}`)
      } else {
        result[name] = otherDefault === undefined ? option.default : otherDefault
      }
      if (override !== undefined) {
        result[name] = override
        given.add(`${section}.${name}`)
      }
    }
    values[section] = result
  }
  // Every section and name of the table was visited above, so the shape is that of Options.
  const configDirectory = source.file === undefined ? null : dirname(resolve(source.file.name))
  return { ...withDriverDefaults(values as unknown as Options, given), stateDirectory: source.stateDirectory, configDirectory, given }
}
