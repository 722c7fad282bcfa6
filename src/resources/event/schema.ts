/** Ours: upstream keeps no events. */
import { type Static, Type } from 'typebox'
import { nullable, oneOf, time, uuid } from '../fields.ts'

const names = [
  ...([
    'create',
    'update',
    'delete',
    'update_members',
    'failover',
    'replace_amphora',
    'configure_amphora',
    'refresh_certificates',
  ] as const),
  ...(['operating_status', 'members_operating_status', 'certificate_unusable', 'certificate_expires'] as const),
  ...(['failover_held_back', 'amphora_certificate_not_renewed'] as const),
]
const objects = ['loadbalancer', 'listener', 'pool', 'member', 'healthmonitor', 'l7policy', 'l7rule'] as const

export const Event = Type.Object(
  {
    id: uuid(),
    event: oneOf(names, { description: 'What was done, or that an operating status has changed.' }),
    object_type: oneOf(objects),
    object_id: uuid(),
    object_name: Type.String({ description: 'As it was at the beginning.' }),
    operating_status: nullable(
      oneOf(['ONLINE', 'OFFLINE', 'DEGRADED', 'ERROR', 'DRAINING', 'NO_MONITOR'], { description: 'The new one; null where none changed.' }),
    ),
    count: Type.Integer({ description: 'How many changes of the same kind this event stands for.' }),
    started_at: time(),
    duration_ms: nullable(Type.Integer({ description: 'Null while it goes on.' })),
    outcome: oneOf(['in_progress', 'success', 'failure']),
    message: nullable(Type.String({ description: 'Why it failed, or what is about to happen.' })),
    details: Type.Optional(nullable(Type.String({ description: 'For admins.' }))),
  },
  { title: 'Event' },
)
export type Event = Static<typeof Event>
