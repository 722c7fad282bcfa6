import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../../test/support/eventually.ts'
import { FileTail } from './file-tail.ts'

const directory = mkdtempSync(join(tmpdir(), 'file-tail-'))
after(() => rmSync(directory, { recursive: true }))

test('lines that are added are told, whole, also after the file was truncated, and none that was there before', async () => {
  const path = join(directory, 'log')
  writeFileSync(path, 'there before\n')
  const lines: string[] = []
  const tail = new FileTail(path, (more) => void lines.push(...more))
  after(() => tail.stop())
  appendFileSync(path, 'one\ntw')
  await eventually(() => lines.length === 1)
  appendFileSync(path, 'o\n')
  await eventually(() => lines.length === 2)
  truncateSync(path)
  appendFileSync(path, 'three\n')
  await eventually(() => lines.length === 3)
  assert.deepEqual(lines, ['one', 'two', 'three'])
})
