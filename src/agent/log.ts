import { appendFileSync, renameSync, statSync } from 'node:fs'

/** A log file this long is put aside as `.1`, so that the agent never holds more than twice as much. */
const MAX_LOG_BYTES = 1024 * 1024

/** Plain lines: time, level, what. pino would cost a third of the agent's memory. */
export interface AgentLog {
  debug(text: string): void
  info(text: string): void
  error(text: string): void
}

/** Writes to a bounded file, or to standard error where `path` is null. */
export function createAgentLog(path: string | null, debug: boolean): AgentLog {
  let size = path === null ? 0 : sizeOf(path)
  const write = (level: string, text: string) => {
    const line = `${new Date().toISOString()} ${level} ${text}\n`
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
      if (debug) write('DEBUG', text)
    },
    info: (text) => write('INFO', text),
    error: (text) => write('ERROR', text),
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
