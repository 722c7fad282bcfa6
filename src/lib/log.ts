import { type Logger, pino } from 'pino'

export type Log = Logger

/**
 * Structured logs as JSON lines. What may hold a secret is cut by name, besides the rule that no caller passes one.
 * `destination` is a file descriptor or path; default standard output.
 */
export function createLog(level = 'info', destination: number | string = 1): Log {
  return pino(
    {
      level,
      redact: {
        paths: [
          'password',
          'token',
          'key',
          'passphrase',
          'private_key',
          'payload',
          'heartbeat_key',
          '*.password',
          '*.token',
          '*.key',
          '*.passphrase',
          '*.private_key',
          '*.payload',
          '*.heartbeat_key',
        ],
        censor: '***',
      },
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: destination, sync: true }),
  )
}
