import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkHaproxy, complaintsOfKeepalived, haproxyIsInstalled, keepalivedIsInstalled } from './golden/check.ts'
import { readPairs } from './golden/pairs.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-golden-'))
after(() => rmSync(directory, { recursive: true }))

for (const { name, kind, outputPath, rendered } of readPairs()) {
  test(`${name} is rendered as its golden file says`, () => {
    assert.equal(rendered, readFileSync(outputPath, 'utf8'), 'run `npm run golden` and read the diff')
  })

  if (kind === 'haproxy' && rendered.includes('frontend ')) {
    test(`HAProxy accepts ${name}`, { skip: haproxyIsInstalled ? false : 'haproxy is not installed' }, () => {
      assert.equal(checkHaproxy(rendered, directory), '')
    })
  }

  if (kind === 'keepalived' || kind === 'lvs') {
    test(`keepalived accepts ${name}`, { skip: keepalivedIsInstalled ? false : 'keepalived is not installed' }, () => {
      assert.deepEqual(complaintsOfKeepalived(rendered, directory), [])
    })
  }
}

test('every golden output has its input', () => {
  const names = readdirSync(join(import.meta.dirname, 'golden'))
  const outputs = names.filter((file) => file.endsWith('.out.cfg')).map((file) => file.replace('.out.cfg', '.in.yaml'))
  assert.deepEqual(
    outputs.filter((input) => !names.includes(input)),
    [],
  )
})
