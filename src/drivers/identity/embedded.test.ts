import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Identity } from './driver.ts'
import { embeddedIdentityDriver } from './embedded.ts'

function aValidator() {
  let now = Date.parse('2026-11-22T17:00:00Z')
  const state = {
    asked: 0,
    generation: 0,
    valid: true,
    async identify(): Promise<Identity | null> {
      state.asked++
      if (!state.valid) return null
      return {
        user_id: 'u',
        user_name: 'u',
        project_id: 'p',
        project_name: 'p',
        roles: ['member'],
        expires_at: '2026-11-22T17:00:01.500000Z',
      }
    },
  }
  const clock = { now: () => now, monotonic: () => now }
  return { state, driver: embeddedIdentityDriver(state, clock), advance: (ms: number) => (now += ms) }
}

test('a burst of requests asks once', async () => {
  const { state, driver } = aValidator()
  for (let i = 0; i < 10; i++) assert.equal((await driver.validate('token'))?.user_id, 'u')
  assert.equal(state.asked, 1)
})

test("this process's revocation counts at once, another's after a second", async () => {
  const { state, driver, advance } = aValidator()
  await driver.validate('token')
  state.valid = false
  assert.notEqual(await driver.validate('token'), null)
  state.generation++
  assert.equal(await driver.validate('token'), null)

  state.valid = true
  await driver.validate('token')
  state.valid = false
  advance(1_000)
  assert.equal(await driver.validate('token'), null)
})

test('a remembered token ends with its lifetime', async () => {
  const { driver, advance } = aValidator()
  advance(1_000)
  assert.notEqual(await driver.validate('token'), null)
  advance(600)
  assert.equal(await driver.validate('token'), null)
})

test('an invalid token is not remembered as such', async () => {
  const { state, driver } = aValidator()
  state.valid = false
  assert.equal(await driver.validate('token'), null)
  state.valid = true
  assert.notEqual(await driver.validate('token'), null)
})
