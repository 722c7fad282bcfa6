import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { test } from 'node:test'
import { allFlows } from './all-flows.ts'

const files = globSync('*/*-flow.ts', { cwd: import.meta.dirname })

test('every flow is in the list, by which a restarted worker finds it', async () => {
  for (const file of files) {
    const exported = Object.values((await import(`./${file}`)) as object)
    const flows = exported.filter((value) => typeof value === 'object' && value !== null && 'steps' in value)
    assert.equal(flows.length, 1, `${file} exports one flow`)
    assert.ok(allFlows.includes(flows[0]), `${file} is in all-flows.ts`)
  }
  assert.equal(allFlows.length, files.length)
})

test('flows have different names', () => {
  const names = allFlows.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('every flow has a test of surviving beside it', () => {
  const tests = globSync('*/*-flow.test.ts', { cwd: import.meta.dirname }).map((file) => file.split('/')[0])
  for (const file of files) assert.ok(tests.includes(file.split('/')[0]), `${file} has no test`)
})
