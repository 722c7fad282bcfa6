/** Debian's unmodified openstacksdk against a controller with the embedded cloud's identity and network services and no-op amphorae. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { exec } from '../../src/lib/exec.ts'
import { Controller } from '../support/controller.ts'
import { noopCloud } from '../support/noop-cloud.ts'

const skip = existsSync('/usr/lib/python3/dist-packages/openstack') ? false : 'python3-openstacksdk is not installed'
const script = fileURLToPath(new URL('./openstacksdk.py', import.meta.url))
const STORIES_TIMEOUT_MS = 120_000

test(`openstacksdk: every method of its load balancer proxy${skip ? ` (skipped: ${skip})` : ''}`, { skip }, async (t) => {
  const controller = await new Controller({ portBase: 23_700, config: noopCloud }).start()
  try {
    const env = { PATH: process.env.PATH, HOME: '/nonexistent', OS_CLIENT_CONFIG_FILE: join(controller.stateDirectory, 'clouds.yaml') }
    const { stdout } = await exec('/usr/bin/python3', [script], { env, timeoutMs: STORIES_TIMEOUT_MS })
    const told = stdout.trim().split('\n')
    assert.ok(told.length >= 15)
    for (const line of told) {
      const { story, error } = JSON.parse(line) as { story: string; error: string | null }
      await t.test(story, () => assert.ok(error === null, String(error)))
    }
  } finally {
    await controller.down()
  }
})
