import type { Log } from '../../lib/log.ts'
import { Cgroups } from './cgroups.ts'
import { sandboxNames } from './names.ts'
import { deleteNetns, killInNetns, listNetns } from './sandbox.ts'

/**
 * Ends and removes all sandboxes of a state, amphorae and lab hosts, found by the hash in their names: also without the database. Rows and disks
 * stay, so that a later start builds them again.
 */
export async function teardownCompute({ hash, log }: { hash: string; log: Log }): Promise<void> {
  const names = sandboxNames(hash)
  await new Cgroups(names.prefix, log).removeAll()
  for (const netns of (await listNetns()).filter(names.isMine)) {
    await killInNetns(netns)
    await deleteNetns(netns)
  }
}
