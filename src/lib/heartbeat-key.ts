/**
 * The key that one amphora signs its heartbeats with: derived, so that it need not be kept, and so that who has it can speak for that amphora alone.
 * `key` is `[health_manager] heartbeat_key`, which never leaves the controllers.
 */
import { createHmac } from 'node:crypto'

export function heartbeatKeyOf(amphora_id: string, key: string): string {
  return createHmac('sha256', key).update(amphora_id).digest('hex')
}
