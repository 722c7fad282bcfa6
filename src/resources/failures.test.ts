import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { GENERAL_MESSAGE } from '../flow/define.ts'
import { failure, told } from './failures.ts'

test('only texts of the list are told to owners; all else is for admins', () => {
  const id = randomUUID()
  for (const error of [failure('no_amphora_reached', { details: 'host-7' }), failure('no_redirect_target', { id })]) {
    assert.deepEqual(told({ message: error.message, details: error.details }), { message: error.message, details: error.details })
  }
  const words = 'server 10.0.0.7 said no'
  assert.deepEqual(told({ message: words, details: 'at host-7' }), { message: GENERAL_MESSAGE, details: `${words}\nat host-7` })
  assert.deepEqual(told({ message: `The l7policy ${words} has no target.`, details: '' }).message, GENERAL_MESSAGE)
})

test('nobody makes up texts of his own', () => {
  const src = join(import.meta.dirname, '..')
  const allowed = ['resources/failures.ts', ...globSync('flow/*.ts', { cwd: src })]
  const files = globSync('**/*.ts', { cwd: src }).filter((file) => !allowed.includes(file) && !file.endsWith('.test.ts'))
  assert.ok(files.length > 100)
  const found = files.filter((file) => readFileSync(join(src, file), 'utf8').includes('new VisibleError('))
  assert.deepEqual(found, [], 'these texts belong into resources/failures.ts')
})
