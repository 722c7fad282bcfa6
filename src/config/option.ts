/** What an option of `octavia.conf` is, and the kinds there are: each says how its text is read, with oslo.config's words where that is wrong. */

export interface Option<T> {
  readonly parse: (text: string) => T
  readonly default: T
  readonly help: string
  /** Ours, not upstream's. */
  readonly ours: boolean
  /** May be given several times; `parse` gets the values joined by newlines. */
  readonly repeated: boolean
  readonly secret: boolean
}

interface Extras {
  ours?: boolean
  repeated?: boolean
  secret?: boolean
}

function option<T>(parse: (text: string) => T, defaultValue: T, help: string, extras: Extras = {}): Option<T> {
  return {
    parse,
    default: defaultValue,
    help,
    ours: extras.ours ?? false,
    repeated: extras.repeated ?? false,
    secret: extras.secret ?? false,
  }
}

export const text = <D extends string | null>(defaultValue: D, help: string, extras?: Extras): Option<string | D> =>
  option<string | D>((value) => value, defaultValue, help, extras)

export function number<D extends number | null>(
  defaultValue: D,
  help: string,
  limits: { min?: number; max?: number; fraction?: boolean } & Extras = {},
): Option<number | D> {
  return option<number | D>(
    (value) => {
      const parsed = Number(value)
      if (value.trim() === '' || !Number.isFinite(parsed)) throw new Error('is not a number')
      if (!limits.fraction && !Number.isInteger(parsed)) throw new Error('is not a whole number')
      if (limits.min !== undefined && parsed < limits.min) throw new Error(`should be greater than or equal to ${limits.min}`)
      if (limits.max !== undefined && parsed > limits.max) throw new Error(`should be less than or equal to ${limits.max}`)
      return parsed
    },
    defaultValue,
    help,
    limits,
  )
}

export const tcpPort = (defaultValue: number, help: string, extras?: Extras) =>
  number(defaultValue, help, { min: 1, max: 65535, ...extras })

export const flag = (defaultValue: boolean, help: string, extras?: Extras) =>
  option(
    (value) => {
      const word = value.trim().toLowerCase()
      if (['true', '1', 'on', 'yes'].includes(word)) return true
      if (['false', '0', 'off', 'no'].includes(word)) return false
      throw new Error('is not a boolean')
    },
    defaultValue,
    help,
    extras,
  )

export function choice<const V extends string, D extends NoInfer<V> | null>(
  values: readonly V[],
  defaultValue: D,
  help: string,
  extras?: Extras,
): Option<V | D> {
  return option<V | D>(
    (value) => {
      const found = values.find((known) => known === value.trim())
      if (found === undefined) throw new Error(`should be one of ${values.join(', ')}`)
      return found
    },
    defaultValue,
    help,
    extras,
  )
}

/** Comma-separated, or given several times. */
export const list = (defaultValue: string[], help: string, extras?: Extras) =>
  option(
    (value) =>
      value
        .split(/[,\n]/)
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    defaultValue,
    help,
    { repeated: true, ...extras },
  )

/** Given several times, since a comma may be part of one. */
export const lines = (defaultValue: string[], help: string, extras?: Extras) =>
  option((value) => value.split('\n'), defaultValue, help, { repeated: true, ...extras })

/** `host:port`, comma-separated; IPv6 addresses in brackets or, as with upstream, without. */
export const hostsWithPorts = (help: string) => {
  const hosts = list([], help)
  return option<string[]>(
    (value) => {
      const found = hosts.parse(value)
      const wrong = found.find((item) => !/^(\[[\da-f:.]+\]|[\w.:-]+):\d{1,5}$/i.test(item) || Number(item.split(':').at(-1)) > 65_535)
      if (wrong !== undefined) throw new Error(`should be a list of addresses with their ports, which '${wrong}' is not`)
      return found
    },
    [],
    help,
    { repeated: true },
  )
}

/** Some of the words given, comma-separated or given several times; none is the default. */
export const manyOf = <const V extends string>(values: readonly V[], help: string, extras?: Extras) =>
  option<V[]>(
    (value) =>
      list([], help)
        .parse(value)
        .map((word) => {
          const found = values.find((known) => known === word)
          if (found === undefined) throw new Error(`should be some of ${values.join(', ')}`)
          return found
        }),
    [],
    help,
    { repeated: true, ...extras },
  )

/** `name:description` pairs, comma-separated. */
export const dictionary = (defaultValue: Record<string, string>, help: string, extras?: Extras) =>
  option(
    (value) =>
      Object.fromEntries(
        value.split(',').map((pair) => {
          const colon = pair.indexOf(':')
          if (colon < 0) throw new Error('should be a list of name:description')
          return [pair.slice(0, colon).trim(), pair.slice(colon + 1).trim()]
        }),
      ) as Record<string, string>,
    defaultValue,
    help,
    extras,
  )

/** Ours, not upstream's. */
export const ours = { ours: true }
