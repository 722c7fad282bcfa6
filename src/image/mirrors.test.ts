import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { mirrorsFor } from './mirrors.ts'

const directory = mkdtempSync(join(tmpdir(), 'mirrors-'))
after(() => rmSync(directory, { recursive: true }))
let machines = 0

/** Files of a machine's /etc/apt. */
function mirrorsOf(files: Record<string, string>) {
  const apt = join(directory, String(++machines))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(apt, name)), { recursive: true })
    writeFileSync(join(apt, name), text)
  }
  return mirrorsFor('bookworm', apt)
}

const debians = { mirror: 'http://deb.debian.org/debian', securityMirror: 'http://deb.debian.org/debian-security' }
const ours = { mirror: 'https://mirror.example/debian', securityMirror: 'https://mirror.example/security' }

describe("an image's packages come from", () => {
  test("the machine's mirror, in paragraphs", () => {
    const text = `# of the image
Types: deb deb-src
URIs: https://mirror.example/debian/
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/security
Suites: bookworm-security
Components: main contrib
`
    assert.deepEqual(mirrorsOf({ 'sources.list.d/debian.sources': text }), ours)
  })

  test("the machine's mirror, a line each", () => {
    const text = `# deb https://old.example/debian bookworm main
deb-src https://sources.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/debian bookworm main # ours
deb https://mirror.example/security bookworm-security main
`
    assert.deepEqual(mirrorsOf({ 'sources.list': text }), ours)
  })

  for (const [what, files] of [
    ['there are no sources', {}],
    ['the machine runs another release', { 'sources.list': 'deb https://mirror.example/debian trixie main\n' }],
    ['it is of others', { 'sources.list.d/a.list': 'deb [signed-by=/etc/apt/keyrings/php.gpg] https://php.example/ bookworm main\n' }],
    ['it is no server', { 'sources.list': 'deb cdrom:[Debian]/ bookworm main\ndeb file:/srv/debian bookworm main\n' }],
    ['it wants a password', { 'sources.list': 'deb https://user:secret@mirror.example/debian bookworm main\n' }],
    ['it has no main', { 'sources.list': 'deb https://mirror.example/debian bookworm non-free-firmware\n' }],
    [
      'it is off',
      { 'sources.list.d/a.sources': 'Enabled: no\nTypes: deb\nURIs: https://mirror.example/debian\nSuites: bookworm\nComponents: main\n' },
    ],
    ['it is no file of sources', { 'sources.list.d/a.list.bak': 'deb https://mirror.example/debian bookworm main\n' }],
  ] as const) {
    test(`Debian's own servers where ${what}`, () => assert.deepEqual(mirrorsOf(files), debians))
  }
})
