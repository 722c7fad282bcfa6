import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aConfig } from '../../test/support/builders.ts'
import { renderRsyslog } from './rsyslog.ts'

test('a log daemon forwards tenants’ lines and operators’ lines, each to the first receiver that can be reached', () => {
  const amphora_agent = {
    tenant_log_targets: ['192.0.2.1:514', '[2001:db8::1]:10514'],
    admin_log_targets: ['logs.example:514'],
    disable_local_log_storage: true,
  }
  const shared = 'protocol="udp" action.resumeRetryCount="5" action.resumeInterval="2"'
  assert.equal(
    renderRsyslog(aConfig({ amphora_agent }).amphora_agent),
    `ruleset(name="tenant_forwarding" queue.type="linkedList" queue.size="10000") {
  action(type="omfwd" target="192.0.2.1" port="514" ${shared})
  action(type="omfwd" target="2001:db8::1" port="10514" ${shared} action.execOnlyWhenPreviousIsSuspended="on")
}
local0.=info call tenant_forwarding
ruleset(name="admin_forwarding" queue.type="linkedList" queue.size="10000") {
  action(type="omfwd" target="logs.example" port="514" ${shared})
}
local1.* call admin_forwarding
*.* stop
`,
  )
})

test('without receivers nothing is forwarded', () => {
  assert.equal(renderRsyslog(aConfig().amphora_agent), '')
})
