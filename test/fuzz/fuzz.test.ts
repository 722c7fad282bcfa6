import assert from 'node:assert/strict'
import { migrate } from '../../src/db/migrate.ts'
import { forEachDatabase } from '../support/databases.ts'
import { fuzz } from './fuzz.ts'

forEachDatabase('whatever is sent to the API, it answers sensibly, stays up and leaves nothing pending', async (open) => {
  const db = await open()
  await migrate(db)
  const { cases, byStatus, findings } = await fuzz(db, { cases: 2_500, seed: 20_261_125 })
  assert.deepEqual(findings, [])
  assert.ok(cases >= 2_500)
  // It would be no wonder if everything had been refused.
  for (const status of [200, 201, 202, 204, 400, 404, 409])
    assert.ok((byStatus.get(status) ?? 0) > 10, `only ${byStatus.get(status)} with ${status}`)
})
