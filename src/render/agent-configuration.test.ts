import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aConfig } from '../../test/support/builders.ts'
import { parseSettings } from '../agent/settings.ts'
import { heartbeatKeyOf } from '../lib/heartbeat-key.ts'
import { renderAgentConfiguration } from './agent-configuration.ts'

test('the agent reads where logs go as the operator has said it', () => {
  const config = aConfig({
    amphora_agent: {
      admin_log_targets: ['192.0.2.8:514', '[2001:db8::1]:10514'],
      tenant_log_targets: ['logs.example:6514'],
      user_log_facility: 3,
      administrative_log_facility: 4,
      log_protocol: 'TCP',
      log_retry_count: -1,
      log_retry_interval: 7,
      log_queue_size: 99,
      forward_all_logs: true,
      disable_local_log_storage: true,
    },
  })
  assert.deepEqual(parseSettings(renderAgentConfiguration('amphora-1', 'SINGLE', config)).logs, {
    adminLogTargets: [
      { host: '192.0.2.8', port: 514 },
      { host: '2001:db8::1', port: 10_514 },
    ],
    tenantLogTargets: [{ host: 'logs.example', port: 6_514 }],
    userLogFacility: 3,
    adminLogFacility: 4,
    logProtocol: 'TCP',
    logRetryCount: -1,
    logRetryIntervalMs: 7_000,
    logQueueSize: 99,
    forwardAllLogs: true,
    disableLocalLogStorage: true,
  })
})

test('without receivers nothing is sent anywhere', () => {
  const { logs } = parseSettings(renderAgentConfiguration('amphora-1', 'SINGLE', aConfig()))
  assert.deepEqual([logs.adminLogTargets, logs.tenantLogTargets], [[], []])
})

test('each amphora gets a key of its own, and not the one it is derived from', () => {
  const config = aConfig({ health_manager: { heartbeat_key: 'the common key' } })
  const texts = ['amphora-1', 'amphora-2'].map((id) => renderAgentConfiguration(id, 'SINGLE', config))
  const keys = texts.map((text) => {
    const { heartbeatKey, hasOwnHeartbeatKey } = parseSettings(text)
    assert.ok(hasOwnHeartbeatKey && !text.includes('the common key'))
    return heartbeatKey
  })
  assert.deepEqual(keys, [heartbeatKeyOf('amphora-1', 'the common key'), heartbeatKeyOf('amphora-2', 'the common key')])
  assert.notEqual(keys[0], keys[1])
})
