/**
 * What has to happen so that a running HAProxy is as a new configuration says. Where only servers of backends, their weights and states, or the
 * contents of certificate files differ, it can be told while it runs; anything else needs a reload. Nothing here speaks to HAProxy.
 */
import { firstWord, isBackend, nameOf, type Section, sectionsOf, wordsOf } from './haproxy-file.ts'
import { isSameServer, isSureToBeAccepted, parseServer, type Server } from './haproxy-servers.ts'
import type { Snapshot } from './haproxy-snapshot.ts'

export type ReloadReason =
  /** Other lines than those of servers differ. */
  | 'configuration'
  /** A server with a cookie is new. */
  | 'cookies'
  /** A server is new or changed in a way that HAProxy cannot be told while it runs. */
  | 'servers'
  | 'certificates'
  /** A server comes back changed while its connections drain, or too many drain. */
  | 'draining'
  /** Nobody knows what HAProxy runs with: something was interrupted. */
  | 'unknown'
  /** Clients are asked to leave. */
  | 'handover'
  /** HAProxy refused what it was told. */
  | 'refused'

/** `unchanged` is a change of nothing: the files may differ in their words. */
export type Plan = { how: 'unchanged' | 'runtime'; change: RuntimeChange } | { how: 'reload'; reason: ReloadReason }

export interface RuntimeChange {
  servers: ServerChange[]
  /** Paths of certificate files whose contents HAProxy is to read again, is to know from now on, and is to forget. */
  files: string[]
  newFiles: string[]
  goneFiles: string[]
  crtLists: CrtListChange[]
}

export type ServerChange = { backend: string; server: Server } & (
  | { kind: 'add' | 'weight' | 'state' }
  | {
      kind: 'remove'
      /** As it stood in the file. */
      line: string
    }
)

export interface CrtListChange {
  path: string
  added: string[]
  removed: string[]
}

/** `before` is what HAProxy runs with. `isDraining` tells of servers that HAProxy still has though their lines are gone. */
export function planChange(
  before: Snapshot,
  after: Snapshot,
  isDraining: (backend: string, server: Server) => 'no' | 'same' | 'changed',
): Plan {
  const servers = compareServers(before.configuration, after.configuration)
  if (servers === null) return { how: 'reload', reason: 'configuration' }
  const certificates = compareFiles(before, after)
  if (certificates === null) return { how: 'reload', reason: 'certificates' }
  for (const { backend, dynamic, changes, unclear } of servers) {
    if (unclear) return { how: 'reload', reason: 'servers' }
    for (const { kind, server } of changes) {
      if (kind === 'add') {
        if (server.hasCookie) return { how: 'reload', reason: 'cookies' }
        if (
          !dynamic.add ||
          (server.isChecked && !dynamic.addChecked) ||
          (speaksHttp2(server) && dynamic.isHttp) ||
          namesNewFile(server, before)
        )
          return { how: 'reload', reason: 'servers' }
        if (isDraining(backend, server) === 'changed') return { how: 'reload', reason: 'draining' }
      }
      if (kind === 'weight' && !dynamic.add) return { how: 'reload', reason: 'servers' }
    }
  }
  const change = { servers: servers.flatMap(({ changes }) => changes), ...certificates }
  const isNothing = change.servers.length + change.files.length + change.crtLists.length === 0
  return { how: isNothing ? 'unchanged' : 'runtime', change }
}

/**
 * Whether HAProxy is sure to accept a configuration because it has accepted `accepted`, from which it differs in nothing but lines of servers that
 * can be proved right. Checking by `haproxy -c` takes tens of milliseconds.
 */
export function isSureToBeValid(accepted: string, configuration: string): boolean {
  const backends = compareServers(accepted, configuration)
  if (backends === null) return false
  // Something may refer to a server by its name.
  if (backends.some(({ changes }) => changes.some(({ kind }) => kind === 'remove')) && /\s(?:use-server|track|srv_)/.test(configuration))
    return false
  return backends.every(({ changes, unclear, acceptedServers }) => {
    if (unclear) return false
    return changes.every((change) => change.kind !== 'add' || isSureToBeAccepted(change.server, acceptedServers))
  })
}

/** The servers of all backends. */
export function serversOf(configuration: string): { backend: string; server: string; line: string }[] {
  return sectionsOf(configuration).flatMap((section) => {
    if (!isBackend(section)) return []
    const backend = nameOf(section)
    return section.lines.filter(isServerLine).map((line) => ({ backend, server: serverName(line), line }))
  })
}

/** Those that are in `before` and not in `after`, be it that their backend is gone. */
export function removedServers(before: string, after: string): { backend: string; server: string; line: string }[] {
  if (before === after) return []
  const left = new Set(serversOf(after).map(({ backend, server }) => `${backend}/${server}`))
  return serversOf(before).filter(({ backend, server }) => !left.has(`${backend}/${server}`))
}

interface BackendChange {
  backend: string
  dynamic: Dynamic
  changes: ServerChange[]
  /** A line that differs says something the agent does not understand, or a server is another one under the same name. */
  unclear: boolean
  acceptedServers(): Iterable<Server>
}

/** Null where more differs than servers. Only backends whose servers differ are in the answer. */
function compareServers(before: string, after: string): BackendChange[] | null {
  if (before === after) return []
  const [old, wanted] = [sectionsOf(before), sectionsOf(after)]
  if (old.length !== wanted.length) return null
  const found: BackendChange[] = []
  let defaults: Section | undefined
  for (const [index, section] of wanted.entries()) {
    const was = old[index]!
    if (was.head !== section.head) return null
    if (firstWord(section.head) === 'defaults') defaults = section
    if (was.lines.join('\n') === section.lines.join('\n')) continue
    if (!isBackend(section) || otherLines(was) !== otherLines(section)) return null
    found.push(compareBackend(was, section, defaults))
  }
  return found
}

function otherLines({ lines }: Section): string {
  return lines.filter((line) => !isServerLine(line)).join('\n')
}

function isServerLine(line: string): boolean {
  return /^server\s/.test(line)
}

function compareBackend(was: Section, section: Section, defaults: Section | undefined): BackendChange {
  const backend = nameOf(section)
  const [old, wanted] = [serverLines(was), serverLines(section)]
  const changes: ServerChange[] = []
  let unclear = old === null || wanted === null
  for (const [name, line] of wanted ?? []) {
    const oldLine = old?.get(name)
    if (oldLine === line) continue
    const server = parseServer(line)
    const before = oldLine === undefined ? undefined : parseServer(oldLine)
    if (server === null || before === null || (before !== undefined && !isSameServer(before, server))) unclear = true
    else if (before === undefined) changes.push({ kind: 'add', backend, server })
    else {
      if (before.weight !== server.weight) changes.push({ kind: 'weight', backend, server })
      if (before.disabled !== server.disabled) changes.push({ kind: 'state', backend, server })
    }
  }
  for (const [name, line] of old ?? []) {
    if (wanted?.has(name)) continue
    const server = parseServer(line)
    if (server === null) unclear = true
    else changes.push({ kind: 'remove', backend, server, line })
  }
  return {
    backend,
    dynamic: dynamicsOf(section, defaults),
    changes,
    unclear,
    *acceptedServers() {
      for (const line of old?.values() ?? []) {
        const server = parseServer(line)
        if (server !== null) yield server
      }
    },
  }
}

/** The lines by the servers' names; null where two servers share one. */
function serverLines({ lines }: Section): Map<string, string> | null {
  const found = new Map<string, string>()
  for (const line of lines) {
    if (!isServerLine(line)) continue
    const name = serverName(line)
    if (found.has(name)) return null
    found.set(name, line)
  }
  return found
}

function serverName(line: string): string {
  return line.split(/\s+/, 2)[1] ?? ''
}

interface Dynamic {
  /** Servers may be added and their weights changed. */
  add: boolean
  addChecked: boolean
  isHttp: boolean
}

/** What a backend's lines allow. Of its `defaults` the last section before it counts. */
function dynamicsOf(section: Section, defaults: Section | undefined): Dynamic {
  const lines = [...(defaults?.lines ?? []), ...section.lines]
  const argumentsOf = (keyword: string) => wordsOf(lines.findLast((line) => firstWord(line) === keyword) ?? '')
  const [, algorithm = 'roundrobin'] = argumentsOf('balance') ?? []
  const isConsistent = argumentsOf('hash-type')?.[1] === 'consistent'
  // A dynamic server inherits nothing from `default-server`.
  const inherits = lines.some((line) => firstWord(line) === 'default-server')
  return {
    add: !inherits && (/^(?:roundrobin|leastconn|random\b.*)$/.test(algorithm) || (algorithm !== 'static-rr' && isConsistent)),
    // HAProxy 2.6 crashes at the first external check of a dynamic server.
    addChecked: !lines.some((line) => /^(?:option\s+)?external-check\b/.test(line)),
    isHttp: argumentsOf('mode')?.[1] === 'http',
  }
}

/** HAProxy 2.6 opens a connection for each request to a dynamic server by HTTP/2: it may not be told of `max-reuse`, whose default it lacks. */
function speaksHttp2({ options }: Server): boolean {
  return options.some((option) => /^alpn .*\bh2\b/.test(option))
}

function namesNewFile({ options }: Server, { files }: Snapshot): boolean {
  return options.some((option) => {
    const [keyword, path] = option.split(' ') as [string, string?]
    return ['crt', 'ca-file', 'crl-file'].includes(keyword) && !Object.hasOwn(files, path!)
  })
}

/** Null where HAProxy cannot be told: other files are named (other than by crt-lists), some cannot be read, or a list's default or order differs. */
function compareFiles(before: Snapshot, after: Snapshot): Omit<RuntimeChange, 'servers'> | null {
  const files: string[] = []
  const crtLists: CrtListChange[] = []
  for (const [path, { kind, md5, lines }] of Object.entries(after.files)) {
    const was = before.files[path]
    if (md5 === null) return null
    if (was === undefined || was.md5 === md5) continue
    if (was.md5 === null || was.kind !== kind) return null
    if (kind !== 'crt-list') files.push(path)
    else {
      const change = compareCrtLists(path, was.lines ?? [], lines ?? [])
      if (change === null) return null
      if (change.added.length + change.removed.length > 0) crtLists.push(change)
    }
  }
  const certificates = (lines: string[], others: Snapshot) =>
    [...new Set(lines.map(firstWord))].filter((path) => !Object.hasOwn(others.files, path))
  return {
    files,
    newFiles: certificates(
      crtLists.flatMap(({ added }) => added),
      before,
    ),
    goneFiles: certificates(
      crtLists.flatMap(({ removed }) => removed),
      after,
    ),
    crtLists,
  }
}

function compareCrtLists(path: string, before: string[], after: string[]): CrtListChange | null {
  // The first line's certificate is the default, which HAProxy 2.6 cannot exchange for another file.
  if (before[0] !== after[0]) return null
  const kept = (lines: string[], others: string[]) => lines.filter((line) => others.includes(line))
  // Of two certificates for the same name the first counts.
  if (kept(before, after).join('\n') !== kept(after, before).join('\n')) return null
  const added = after.filter((line) => !before.includes(line))
  const removed = before.filter((line) => !after.includes(line))
  // With other options it would have to go before it comes back.
  if (removed.some((line) => added.some((other) => firstWord(other) === firstWord(line)))) return null
  // A certificate that stands in the list twice cannot be told apart.
  if (new Set(after.map(firstWord)).size !== after.length) return null
  return { path, added, removed }
}
