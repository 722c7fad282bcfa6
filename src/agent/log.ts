import { appendFileSync, renameSync, statSync } from 'node:fs'

/** A log file this long is put aside as `.1`, so that the agent never holds more than twice as much. */
const MAX_LOG_BYTES = 1024 * 1024

/** Plain lines: time, level, what. pino would cost a third of the agent's memory. */
export interface AgentLog {
  debug(text: string): void
  info(text: string): void
  error(text: string): void
}

export type LogLevel = keyof AgentLog

export interface AgentLogOptions {
  /** A bounded file; null: standard error. */
  path: string | null
  /** False: nothing is written, only told. */
  isStored: boolean
  debug: boolean
  /** Told each line. */
  tell(level: LogLevel, text: string): void
}

export function createAgentLog({ path, isStored, debug, tell }: AgentLogOptions): AgentLog {
  let size = path === null ? 0 : sizeOf(path)
  const write = (level: LogLevel, text: string) => {
    tell(level, text)
    if (!isStored) return
    const line = `${new Date().toISOString()} ${level.toUpperCase()} ${text}\n`
    if (path === null) {
      process.stderr.write(line)
      return
    }
    if (size + line.length > MAX_LOG_BYTES) {
      renameSync(path, `${path}.1`)
      size = 0
    }
    appendFileSync(path, line, { mode: 0o600 })
    size += line.length
  }
  return {
    debug: (text) => {
      if (debug) write('debug', text)
    },
    info: (text) => write('info', text),
    error: (text) => write('error', text),
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
