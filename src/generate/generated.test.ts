import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { aCloud } from '../../test/support/cloud.ts'
import { generatedFiles } from './files.ts'

const checkout = new URL('../../', import.meta.url)

test('generated files are as `npm run generate` makes them', async () => {
  const { cloud } = await aCloud({ worker: false }).empty()
  for (const [path, text] of generatedFiles(cloud.server.announced)) {
    const committed = readFileSync(fileURLToPath(new URL(path, checkout)), 'utf8')
    assert.ok(committed === text, `${path} is stale: run npm run generate, and read the diff`)
  }
})
