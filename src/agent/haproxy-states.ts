/**
 * What a new worker is told of the old one's servers (`server-state-file`): which were down, and nothing else. Weights, maintenance, addresses and
 * how members are checked are the configuration's to say, which may have changed since.
 */
import { firstWord, isBackend, nameOf, sectionsOf } from './haproxy-file.ts'

/** The columns of `show servers state` by their place, version 1 (HAProxy's management guide). */
const [BACKEND, SERVER, ADDRESS, ADMIN, WEIGHT, CONFIGURED_WEIGHT, PORT] = [1, 3, 4, 6, 7, 8, 18]
/** Beyond are TLS to the server, and where it is checked: HAProxy would put what was before over what the file says. */
const COLUMNS = 20

/** The state file for a worker with this configuration; null for an answer that is none. */
export function renderServersState(shown: string, configuration: string): string | null {
  const [version, header, ...rows] = shown.trim().split('\n')
  if (version !== '1' || header === undefined || !header.startsWith('#')) return null
  const checked = checkedServers(configuration)
  const kept = rows.flatMap((row) => {
    const cells = row.split(' ')
    // A server in maintenance has no health to keep.
    if (cells[ADMIN] !== '0' || checked.get(`${cells[BACKEND]}/${cells[SERVER]}`) !== `${cells[ADDRESS]}:${cells[PORT]}`) return []
    cells[WEIGHT] = cells[CONFIGURED_WEIGHT]!
    return [cells.slice(0, COLUMNS).join(' ')]
  })
  return `${[version, header, ...kept].join('\n')}\n`
}

/** The servers that have a check, with their endpoints; without one nothing would ever raise a server that was down. */
function checkedServers(configuration: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const section of sectionsOf(configuration)) {
    if (!isBackend(section)) continue
    for (const line of section.lines) {
      if (firstWord(line) !== 'server' || !/\scheck(?:\s|$)/.test(line)) continue
      const [, name, address = ''] = line.split(/\s+/, 3)
      found.set(`${nameOf(section)}/${name}`, address.replace(/[[\]]/g, ''))
    }
  }
  return found
}
