import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Command } from 'commander'
import { addImageCommands } from '../cli/image.ts'
import { assembleDisk } from './disk.ts'
import { rootFiles } from './root-files.ts'

const directory = mkdtempSync(join(tmpdir(), 'image-'))
after(() => rmSync(directory, { recursive: true }))

describe("the root's files", () => {
  const [closed, open] = [rootFiles({ ssh: false, kernel: 'cloud' }), rootFiles({ ssh: true, kernel: 'cloud' })]

  test('start the agent from the config drive, and neither HAProxy nor keepalived', () => {
    const unit = closed['/etc/systemd/system/ottavia-agent.service']?.contents ?? ''
    assert.match(unit, /^ExecStart=\/opt\/ottavia\/node .*\/opt\/ottavia\/agent\.mjs --config-drive \/run\/config-drive --machine$/m)
    for (const name of ['haproxy', 'keepalived']) assert.equal(closed[`/etc/systemd/system/${name}.service`]?.target, '/dev/null')
  })

  test('let nobody in but by the key pair, and only where that was asked for', () => {
    assert.ok(!Object.keys(closed).some((path) => path.includes('ssh')))
    assert.match(open['/etc/ssh/sshd_config.d/ottavia.conf']?.contents ?? '', /^PasswordAuthentication no$/m)
    for (const files of [closed, open]) assert.equal(files['/etc/systemd/system/serial-getty@.service']?.target, '/dev/null')
  })

  test("mount nothing from which programs of a tenant's could run, and keep his certificates in memory", () => {
    const mounts = (closed['/etc/fstab']?.contents ?? '').trim().split('\n')
    for (const mount of mounts) assert.match(mount, /nodev,nosuid/)
    assert.ok(mounts.some((mount) => mount.startsWith('tmpfs /var/lib/octavia/certs ')))
  })
})

test('a disk that is too small for the root and what is written is refused', async () => {
  const squashfs = join(directory, 'root.squashfs')
  writeFileSync(squashfs, '')
  truncateSync(squashfs, 400 * 1024 * 1024)
  const output = join(directory, 'amphora.qcow2')
  const built = { vmlinuz: '', initrd: '', squashfs, packages: [] }
  await assert.rejects(assembleDisk(directory, built, { sizeMib: 512, epoch: 0, output }), /--size: the image needs 721 MiB at least/)
  assert.ok(!existsSync(output))
})

describe('ottavia image build', () => {
  for (const [args, message] of [
    [['--size', '0'], /should be a number from 0.5 to 1024/],
    [['--mirror', 'debian'], /should be a URL/],
    [['--mirror', 'http://mirror [trusted=yes]'], /should be a URL/],
    [['--kernel', 'own'], /Allowed choices are cloud, generic/],
    [['--upload'], /--upload needs --config/],
  ] as const) {
    test(`refuses ${args.join(' ')} before it does anything`, async () => {
      const program = new Command('ottavia').exitOverride()
      addImageCommands(program)
      for (const command of [...program.commands, ...program.commands[0]!.commands])
        command.exitOverride().configureOutput({ writeErr: () => {} })
      await assert.rejects(program.parseAsync(['node', 'ottavia', 'image', 'build', ...args]), { message })
    })
  }
})
