/**
 * A controller of its own process group that starts one server on the state directory given, says its compute id and waits to be killed:
 * `node controller-process.ts STATE_DIRECTORY HASH`.
 */
import { join } from 'node:path'
import { openDatabase } from '../../../src/db/connection.ts'
import { openCompute } from './a-compute.ts'
import { BridgedNetwork } from './bridged-network.ts'

const [stateDirectory, hash] = process.argv.slice(2)
const db = await openDatabase({ connection: `sqlite://${join(stateDirectory!, 'test.db')}` })
const compute = openCompute({ db, network: new BridgedNetwork(), stateDirectory: stateDirectory!, hash: hash! })
const wanted = {
  amphora_id: 'of-a-killed-controller',
  name: 'amphora-of-a-killed-controller',
  network_ids: [],
  security_group_ids: [],
  compute_flavor: null,
  image_id: null,
  server_group_id: null,
  availability_zone: null,
  files: { '/etc/octavia/amphora-agent.conf': '' },
  made_by: 'flow-1',
}
const { compute_id } = await compute.ensureServer(wanted, { flow_id: 'flow-1', generation: 1 })
process.stdout.write(`${compute_id}\n`)
setInterval(() => {}, 1000)
