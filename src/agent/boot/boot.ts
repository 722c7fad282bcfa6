import { amphoraFiles } from '../../lib/amphora-files.ts'
import { readConfigDrive } from './config-drive.ts'
import { setUpMachine } from './machine.ts'
import { placeFiles } from './place-files.ts'

/**
 * Makes an amphora by its config drive; answers the agent's configuration file. `isMachine`: it is a machine of its own, which nobody else gives its name and
 * addresses. Throws what is wrong with the drive.
 */
export async function bootFrom(directory: string, { isMachine }: { isMachine: boolean }): Promise<string> {
  const drive = readConfigDrive(directory)
  // First, so that who looks for a drive's mistake can log in.
  if (isMachine) await setUpMachine(drive)
  const placed = placeFiles(drive)
  console.error(`config drive of ${drive.instance_id}: files ${placed ? 'placed' : 'were placed at an earlier start'}`)
  return amphoraFiles.agentConfiguration
}
