import assert from 'node:assert/strict'
import { test } from 'node:test'
import { remember } from './remember.ts'

test('work is done once on the same bytes, failures are remembered too, and the longest unused answer goes', async () => {
  const done: string[] = []
  const ask = remember(2, async (bytes) => {
    done.push(String(bytes))
    if (String(bytes) === 'bad') throw new Error('no')
    return `answer to ${bytes}`
  })
  const of = (text: string) => ask(Buffer.from(text))
  assert.deepEqual([await of('a'), await of('a')], ['answer to a', 'answer to a'])
  for (const _ of [1, 2]) await assert.rejects(of('bad'), /no/)
  await of('a')
  await of('c')
  assert.deepEqual(done, ['a', 'bad', 'c'])
  await of('a')
  await assert.rejects(of('bad'), /no/)
  assert.deepEqual(done, ['a', 'bad', 'c', 'bad'])
})
