import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { checkHaproxy, haproxyIsInstalled } from './golden/check.ts'
import { readPairs } from './golden/pairs.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-golden-'))
after(() => rmSync(directory, { recursive: true }))
const keepalivedIsInstalled = spawnSync('keepalived', ['--version']).error === undefined

for (const { name, kind, outputPath, rendered } of readPairs()) {
  test(`${name} is rendered as its golden file says`, () => {
    assert.equal(rendered, readFileSync(outputPath, 'utf8'), 'run `npm run golden` and read the diff')
  })

  if (kind === 'haproxy' && rendered.includes('frontend ')) {
    test(`HAProxy accepts ${name}`, { skip: haproxyIsInstalled ? false : 'haproxy is not installed' }, () => {
      assert.equal(checkHaproxy(rendered, directory), '')
    })
  }

  if (kind === 'keepalived') {
    test(`keepalived accepts ${name}`, { skip: keepalivedIsInstalled ? false : 'keepalived is not installed' }, () => {
      // On a machine without the amphora's interface and scripts it warns; what it could not parse it calls unknown, invalid or missing.
      const { stderr, status } = spawnSync('keepalived', ['--config-test', '--use-file', outputPath], { encoding: 'utf8' })
      const complaints = stderr.split('\n').filter((line) => /unknown|invalid|missing|unexpected|extra/i.test(line))
      assert.deepEqual(complaints, [])
      assert.ok(status !== null && status !== 139, stderr)
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
