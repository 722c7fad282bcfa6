import { type Logger, pino } from 'pino'
import { currentActivity } from './activity.ts'

export type Log = Logger

/**
 * Structured logs as JSON lines. Each says on whose behalf it was written: request, flow, load balancer, trace. What may hold a secret is cut by name, besides the rule that no caller passes one.
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
      mixin: whose,
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.destination({ dest: destination, sync: true }),
  )
}

function whose(): object {
  const activity = currentActivity()
  if (activity === undefined) return {}
  const { request_id, global_request_id, flow_id, load_balancer_id, span } = activity
  return { request_id, global_request_id, flow_id, load_balancer_id, trace_id: span?.traceId }
}
