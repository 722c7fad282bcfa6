import type { LabDependencies } from '../cli/lab.ts'
import { Lab } from '../embedded/lab/lab.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { openEmbeddedNetwork } from './embedded-network.ts'
import { openInstallation } from './installation.ts'
import { stateHash } from './state.ts'

/** The lab on an installation's own database; the controller may run beside it or not. */
export const labDependencies: LabDependencies = {
  async openLab(state) {
    const { config, db } = await openInstallation(state)
    const log = createLog('warn', 2)
    const { sandboxes, projects } = await openEmbeddedNetwork({ db, config, log, clock: systemClock })
    const { stateDirectory } = config
    const lab = new Lab({
      db,
      network: sandboxes,
      project_id: projects.admin,
      stateDirectory,
      stateHash: stateHash(stateDirectory),
      clock: systemClock,
      log,
    })
    return { lab, close: () => db.destroy() }
  },
  print: (line) => console.log(line),
  printError: (line) => console.error(line),
}
