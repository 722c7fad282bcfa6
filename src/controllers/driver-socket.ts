/**
 * The embedded cloud's drivers for processes that do not hold it: calls go to the holder's socket in the state directory, which only root may open. What
 * drivers take and answer is JSON. Each call may be repeated by the promises of its interface, so one that is lost with its holder is asked of the next.
 */
import { chmodSync, rmSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { DatabaseUnavailable, NothingCommitted, OutcomeUnknown } from '../db/unavailable.ts'
import type { ComputeDriver } from '../drivers/compute/driver.ts'
import { embeddedTraits } from '../drivers/compute/embedded.ts'
import { FencedError, NotFoundError, RefusedError } from '../drivers/errors.ts'
import type { NetworkDriver } from '../drivers/network/driver.ts'
import { retry } from '../lib/retry.ts'

/** Another takes over a dead or frozen holder's place within this. */
const HOLDER_PATIENCE_MS = 30_000
const HOLDER_RETRY = { attempts: Number.POSITIVE_INFINITY, firstWaitMs: 20, longestWaitMs: 250, withinMs: HOLDER_PATIENCE_MS }
/** A machine is started or removed well within this. */
const CALL_TIMEOUT_MS = 60_000
const MAX_BODY_BYTES = 4 * 1024 * 1024
/** Longer paths the kernel does not take for a socket. */
const MAX_PATH_BYTES = 107

export interface EmbeddedDrivers {
  network?: NetworkDriver
  compute?: ComputeDriver
}

const kinds = { NotFoundError, RefusedError, FencedError, DatabaseUnavailable, NothingCommitted, OutcomeUnknown }

function socketPath(stateDirectory: string): string {
  const path = join(stateDirectory, 'drivers.sock')
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new Error(`the path of the state directory is too long for several processes: ${path}`)
  return path
}

/** Answers other processes of this state until it is stopped. */
export async function serveDrivers(stateDirectory: string, drivers: EmbeddedDrivers): Promise<{ stop(): Promise<void> }> {
  const path = socketPath(stateDirectory)
  const server = createServer((incoming, outgoing) => {
    answer(drivers, incoming).then(
      (result) => send(outgoing, 200, { result }),
      (error: Error) => send(outgoing, 500, { error: { ...error, name: error.name, message: error.message } }),
    )
  })
  // A dead predecessor's.
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }
}

async function answer(drivers: EmbeddedDrivers, incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new Error('too long a call')
    chunks.push(chunk)
  }
  const [, kind, name] = (incoming.url ?? '').split('/')
  const driver = Object.hasOwn(drivers, kind ?? '') ? drivers[kind as keyof EmbeddedDrivers] : undefined
  const method = name === undefined || name === 'constructor' ? undefined : (driver as Record<string, unknown> | undefined)?.[name]
  // Whether it answers at all is asked without a method.
  if (name === undefined) return null
  if (typeof method !== 'function') throw new Error(`no driver here has ${kind}.${name}`)
  return await method.apply(driver, JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown[])
}

function send(outgoing: ServerResponse, status: number, body: object): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(body))
}

export interface DriversElsewhere {
  readonly network: NetworkDriver
  readonly compute: ComputeDriver
  /** Resolves when there is a holder that answers; `signal` ends the wait. */
  answers(signal: AbortSignal): Promise<void>
  close(): void
}

/** The drivers of whichever process holds the embedded cloud of this state. */
export function driversElsewhere(stateDirectory: string): DriversElsewhere {
  const socket = { socketPath: socketPath(stateDirectory), agent: new Agent({ keepAlive: true }) }
  const call = (path: string, parameters: unknown[]) => retry({ ...HOLDER_RETRY, when: isLost }, () => ask(socket, path, parameters))
  return {
    network: elsewhere<NetworkDriver>('network', { knowsViewers: false }, call),
    compute: elsewhere<ComputeDriver>('compute', embeddedTraits, call),
    answers: (signal) =>
      retry({ ...HOLDER_RETRY, withinMs: undefined, when: isLost, signal }, async () => {
        await ask(socket, '/', [])
      }),
    close: () => socket.agent.destroy(),
  }
}

/** What of a driver is no operation. */
type Traits<T> = { [K in keyof T as T[K] extends (...given: never[]) => unknown ? never : K]: T[K] }

function elsewhere<T extends object>(kind: string, traits: Traits<T>, call: (path: string, parameters: unknown[]) => Promise<unknown>): T {
  return new Proxy(traits, {
    get(_, name) {
      if (typeof name !== 'string' || name === 'then') return undefined
      if (Object.hasOwn(traits, name)) return Reflect.get(traits, name)
      return (...parameters: unknown[]) => {
        // JSON has no undefined: what is left out at the end stays left out.
        while (parameters.length > 0 && parameters.at(-1) === undefined) parameters.pop()
        return call(`/${kind}/${name}`, parameters)
      }
    },
  }) as T
}

/** The holder is not there, or went while it was asked. */
class HolderLost extends Error {}

function isLost(error: unknown): boolean {
  return error instanceof HolderLost
}

function ask(socket: { socketPath: string; agent: Agent }, path: string, parameters: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const lost = (error: Error) => reject(new HolderLost(`no process holds the embedded cloud: ${error.message}`, { cause: error }))
    const outgoing = request({ ...socket, path, method: 'POST', timeout: CALL_TIMEOUT_MS }, (incoming) => {
      const chunks: Buffer[] = []
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
      incoming.on('error', lost)
      incoming.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { result?: unknown; error?: { name: string; message: string } }
        if (body.error === undefined) resolve(body.result)
        else reject(errorFrom(body.error))
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`)))
    outgoing.on('error', lost)
    outgoing.end(JSON.stringify(parameters))
  })
}

/** As it was thrown in the other process, for those who look at its kind. */
function errorFrom({ name, message, ...rest }: { name: string; message: string }): Error {
  const kind = Object.hasOwn(kinds, name) ? kinds[name as keyof typeof kinds] : Error
  return Object.assign(Object.setPrototypeOf(new Error(message), kind.prototype), { name }, rest) as Error
}
