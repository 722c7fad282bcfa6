import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forEachDatabase } from '../../../test/support/databases.ts'
import { loadConfig } from '../../config/config.ts'
import { firstProjects } from './bootstrap.ts'
import * as repository from './repository.ts'
import { openEmbeddedIdentity } from './service.ts'

forEachDatabase('accounts, tokens and their revocation, seen alike by two processes', async (open) => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-identity-'))
  try {
    const config = loadConfig({ stateDirectory })
    const clock = { now: () => Date.parse('2026-11-22T17:19:15Z'), monotonic: () => 0 }
    const db = await open()
    const first = await openEmbeddedIdentity({ db, config, clock })
    const passwords = await first.prepare()
    const second = await openEmbeddedIdentity({ db: await open(), config, clock })
    assert.deepEqual(await second.prepare(), passwords)

    const { demo: project_id } = await firstProjects(db)
    const row = await repository.findUserByName(db, 'default', 'demo')
    assert.match(row!.password_hash!, /^scrypt\$32768\$8\$1\$/)
    assert.equal(await first.login(row, 'wrong'), null)
    const user = await first.login(row, passwords.demo)
    const issued = await first.issue(user!, { project_id }, ['password'])
    assert.deepEqual(await second.identify(issued!.token), {
      user_id: user!.id,
      user_name: 'demo',
      user_domain_id: 'default',
      project_id,
      project_name: 'demo',
      project_domain_id: 'default',
      domain_id: null,
      system_scope: null,
      roles: issued!.known.roles.map((role) => role.name),
      expires_at: '2026-11-22T18:19:15.000000Z',
    })
    await second.revoke(issued!.known.content)
    await second.revoke(issued!.known.content)
    assert.equal(await first.identify(issued!.token), null)
    assert.equal(await first.issue(user!, { project_id: (await firstProjects(db)).admin }, ['password']), null)

    const another = await first.issue(user!, { project_id }, ['password'])
    await repository.updateProject(db, project_id, { enabled: false })
    assert.equal(await second.identify(another!.token), null)
  } finally {
    rmSync(stateDirectory, { recursive: true })
  }
})
