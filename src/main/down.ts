import { existsSync } from 'node:fs'
import { createLog } from '../lib/log.ts'
import { lockState, stateDirectoryOf, stateHash } from './state.ts'

/**
 * Takes away what the embedded cloud of this state made on the machine. Everything is found by the state's hash in its name, so it
 * works also when the database is broken or gone. Rows stay: the next start builds again what they say.
 */
export async function down(options: { state?: string }): Promise<void> {
  const stateDirectory = stateDirectoryOf(options.state)
  if (!existsSync(stateDirectory)) {
    console.log(`nothing to take away: there is no state in ${stateDirectory}`)
    return
  }
  const release = await lockState(stateDirectory)
  const log = createLog('warn')
  const hash = stateHash(stateDirectory)
  const [{ teardownCompute }, { Fabric }, { networkNames }] = await Promise.all([
    import('../embedded/compute/teardown.ts'),
    import('../embedded/network/fabric.ts'),
    import('../embedded/network/names.ts'),
  ])
  await teardownCompute({ hash, log })
  await new Fabric(networkNames(hash)).teardown()
  release()
  console.log(`all that ${stateDirectory} had on this machine is taken away; npm start builds it again`)
}
