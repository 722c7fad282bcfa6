/** What a check found, in words for an operator. */

/** In this order an operator reads them. */
export const areas = [
  'configuration',
  'database',
  'identity',
  'compute',
  'image',
  'network',
  'secrets',
  'certificates',
  'heartbeats',
  'api',
] as const
export type Area = (typeof areas)[number]

export interface Finding {
  area: Area
  /** A warning keeps nothing from working today. */
  level: 'ok' | 'warning' | 'error'
  says: string
  /** What to do about it: a command, or lines of octavia.conf; null where nothing is to be done. */
  type: string | null
}

/** What one area has to say, in its own words. */
export type Said = Omit<Finding, 'area'>

export const ok = (says: string): Said => ({ level: 'ok', says, type: null })
export const warning = (says: string, type: string | null = null): Said => ({ level: 'warning', says, type })
export const error = (says: string, type: string | null = null): Said => ({ level: 'error', says, type })
