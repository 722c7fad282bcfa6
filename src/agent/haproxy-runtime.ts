/** Carries out a RuntimeChange through HAProxy's runtime API (its management guide, section 9.3). */
import { readFileSync } from 'node:fs'
import type { CrtListChange, RuntimeChange, ServerChange } from './haproxy-change.ts'
import { firstWord } from './haproxy-file.ts'
import type { Server } from './haproxy-servers.ts'
import type { Snapshot } from './haproxy-snapshot.ts'
import { commandWorker } from './haproxy-socket.ts'

/** HAProxy takes no longer command with its payload (its `tune.bufsize` is 16 KiB, some of which it reserves). */
const MAX_COMMAND_BYTES = 15_000

interface Command {
  text: string
  /** What a success says; null where it says nothing. */
  expected: RegExp | null
}

/**
 * What a server of the file has without being told, and one that is added has not (2.6): without the first two it would keep no connection for the
 * next request, with half the throughput.
 */
const defaults = 'pool-max-conn -1 pool-purge-delay 5s inter 2s rise 2 fall 3'

const silent = (text: string): Command => ({ text, expected: null })

/**
 * `after` is the configuration with its files that HAProxy is to run with; a server that comes back while it drains (`isThere`) is still known to
 * HAProxy. Throws with HAProxy's words when it refuses or dies: then some of it may have happened.
 */
export async function carryOut(
  masterSocket: string,
  change: RuntimeChange,
  after: Snapshot,
  isThere: (backend: string, server: Server) => boolean,
): Promise<void> {
  // Who comes is there before who goes has gone: there is always somebody to serve.
  const order: ServerChange['kind'][] = ['add', 'weight', 'state', 'remove']
  const servers = order.flatMap((kind) => change.servers.filter((server) => server.kind === kind))
  const commands = [
    ...change.files.flatMap((path) => fileCommands(path, after)),
    ...change.newFiles.flatMap((path) => [
      { text: `new ssl cert ${path}`, expected: /^New empty certificate store/ },
      ...fileCommands(path, after),
    ]),
    ...change.crtLists.flatMap(crtListCommands),
    ...change.goneFiles.map((path) => ({ text: `del ssl cert ${path}`, expected: /deleted!$/ })),
    ...servers.flatMap((one) => serverCommands(one, isThere)),
  ]
  if (commands.some(({ text }) => Buffer.byteLength(text) > MAX_COMMAND_BYTES)) throw new Error('a file is too long for the runtime API')
  const answers = await commandWorker(
    masterSocket,
    '@1',
    commands.map(({ text }) => text),
  )
  for (const [index, { expected }] of commands.entries()) {
    const answer = answers[index]!
    if (expected === null ? answer === '' : expected.test(answer)) continue
    // An open transaction would be in the way of the next one.
    const opened = [...change.files, ...change.newFiles]
    await commandWorker(
      masterSocket,
      '@1',
      opened.map((path) => `abort ssl ${nounOf(path, after)} ${path}`),
    )
    throw new Error(answer.slice(0, 300) || 'no answer')
  }
}

function serverCommands(change: ServerChange, isThere: (backend: string, server: Server) => boolean): Command[] {
  const { kind, backend, server } = change
  const name = `${backend}/${server.name}`
  const state = silent(`set server ${name} state ${server.disabled ? 'maint' : 'ready'}`)
  const weight = silent(`set server ${name} weight ${server.weight}`)
  if (kind === 'remove') return [silent(`set server ${name} state maint`)]
  if (kind === 'weight') return [weight]
  if (kind === 'state') return [state]
  if (isThere(backend, server)) return [weight, state]
  return [
    {
      text: `add server ${name} ${server.address} ${defaults} weight ${server.weight} ${server.options.join(' ')}`.trim(),
      expected: /^New server registered/,
    },
    ...(server.isChecked ? [silent(`enable health ${name}`)] : []),
    // A new server is in maintenance.
    ...(server.disabled ? [] : [state]),
  ]
}

function fileCommands(path: string, after: Snapshot): Command[] {
  const noun = nounOf(path, after)
  return [
    { text: `set ssl ${noun} ${path} <<\n${payloadOf(path)}\n`, expected: /transaction (?:created|updated)/i },
    { text: `commit ssl ${noun} ${path}`, expected: /Success!$/ },
  ]
}

function crtListCommands({ path, added, removed }: CrtListChange): Command[] {
  return [
    ...added.map((line) => ({ text: `add ssl crt-list ${path} <<\n${line}\n`, expected: /Success!$/ })),
    ...removed.map((line) => ({ text: `del ssl crt-list ${path} ${firstWord(line)}`, expected: /deleted in crtlist/ })),
  ]
}

function nounOf(path: string, { files }: Snapshot): string {
  const kind = files[path]!.kind
  return kind === 'crt' ? 'cert' : kind
}

/** A payload ends at the first empty line. */
function payloadOf(path: string): string {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')
}
