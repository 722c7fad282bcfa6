import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFault } from '../../test/support/is-fault.ts'
import { MemoryNetwork } from '../drivers/network/memory.ts'
import { visibleNetwork } from '../resources/visible-networks.ts'
import { driversElsewhere, serveDrivers } from './driver-socket.ts'

test("a process that does not hold the embedded cloud sees its networks, and shows nobody another's", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-drivers-'))
  const network = new MemoryNetwork()
  const { id } = network.addNetwork({ project_id: 'project-1', shared: false })
  const served = await serveDrivers(directory, { network })
  const elsewhere = driversElsewhere(directory)
  t.after(async () => {
    elsewhere.close()
    await served.stop()
    rmSync(directory, { recursive: true })
  })
  const viewer = { token: 'token' }
  assert.equal((await visibleNetwork(elsewhere.network, id, { project_id: 'project-1', viewer })).id, id)
  await assert.rejects(visibleNetwork(elsewhere.network, id, { project_id: 'project-2', viewer }), isFault(`Network ${id} not found.`))
})
