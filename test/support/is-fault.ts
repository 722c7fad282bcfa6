import assert from 'node:assert/strict'
import { Fault } from '../../src/api/faults.ts'

/** For `assert.throws` and `assert.rejects` of what does not go through the API: a 400 with this text, word for word. */
export function isFault(text: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error))
    assert.equal(error.message, text)
    assert.equal(error.status, 400)
    return true
  }
}
