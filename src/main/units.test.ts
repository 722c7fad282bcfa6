import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readConfiguration, rolesOf } from './configuration.ts'

const units = globSync(fileURLToPath(new URL('../../etc/systemd/*.service', import.meta.url)))
const example = fileURLToPath(new URL('../../etc/octavia.conf.example', import.meta.url))

test('each unit starts one role, with options that are known, and all together are a whole controller', () => {
  const roles = units.flatMap((unit) => {
    const [, args = ''] = /^ExecStart=\/opt\/ottavia\/bin\/ottavia serve (.*)$/m.exec(readFileSync(unit, 'utf8')) ?? []
    const [, wanted] = /--roles (\S+)/.exec(args) ?? []
    const [, settings = ''] = /--set (.*)$/.exec(args) ?? []
    const config = readConfiguration({ config: example, set: settings.split(' '), demo: false }, '/nonexistent', assert.fail)
    assert.equal(config.DEFAULT.log_file, '-')
    return [...rolesOf({ roles: wanted })]
  })
  assert.deepEqual(roles.sort(), ['api', 'health-manager', 'housekeeping', 'worker'])
})
