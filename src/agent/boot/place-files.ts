/** Puts the files of a config drive where the agent looks for them. */
import { join } from 'node:path'
import { amphoraFiles } from '../../lib/amphora-files.ts'
import { readIfThere, writeAtomically } from '../files.ts'
import { type ConfigDrive, ConfigDriveError } from './config-drive.ts'

const PLACES: readonly string[] = Object.values(amphoraFiles)
/** Upstream's controllers send the configuration of a log daemon, which our image has not: the agent forwards logs itself. */
const UNUSED: readonly string[] = ['/etc/rsyslog.d/10-rsyslog.conf']
/** Which server's files lie here. */
const MARKER = '/etc/octavia/instance-id'

/**
 * Places the files once in a server's life: certificates and configuration that the controller has renewed since are newer than the drive's, and
 * a restart of the machine must not bring the old ones back. Throws ConfigDriveError for a path that is none of the agent's files, and
 * for a file that is missing; then nothing was written. True when the files were placed now. `root` is put before each path.
 */
export function placeFiles({ instance_id, files }: Pick<ConfigDrive, 'instance_id' | 'files'>, root = '/'): boolean {
  for (const path of files.keys()) {
    if (!PLACES.includes(path) && !UNUSED.includes(path)) throw new ConfigDriveError(`${path} is none of the agent's files`)
  }
  const missing = PLACES.filter((path) => !files.has(path))
  if (missing.length > 0) throw new ConfigDriveError(`the config drive has no ${missing.join(' and no ')}`)
  const marker = join(root, MARKER)
  if (readIfThere(marker)?.trim() === instance_id) return false
  for (const path of PLACES) writeAtomically(join(root, path), files.get(path)!, { mode: 0o600, sync: true })
  writeAtomically(marker, `${instance_id}\n`, { sync: true })
  return true
}
