import { amphoraFiles } from '../../lib/amphora-files.ts'
import { readConfigDrive } from './config-drive.ts'
import { placeFiles } from './place-files.ts'

/** Makes an amphora of a machine by its config drive; answers the agent's configuration file. Throws what is wrong with the drive. */
export function bootFrom(directory: string): string {
  const drive = readConfigDrive(directory)
  const placed = placeFiles(drive)
  console.error(`config drive of ${drive.instance_id}: files ${placed ? 'placed' : 'were placed at an earlier start'}`)
  return amphoraFiles.agentConfiguration
}
