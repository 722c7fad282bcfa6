/**
 * `ottavia agent --config-file FILE`: what runs on an amphora. Also the entry of the one-file bundle, and of the process by which the agent checks
 * members of UDP listeners.
 */
import { PROBE_VARIABLE } from '../agent/udp/probe-variable.ts'

// No await at the top level: the bundle is no ES module (see bundle.ts). Each loads only what it needs.
if (process.env[PROBE_VARIABLE] === '1') import('../agent/udp/probe-process.ts').then(({ runProbeProcess }) => runProbeProcess(), fail)
else {
  const position = process.argv.indexOf('--config-file')
  const configurationPath = process.argv[position + 1]
  if (position < 0 || configurationPath === undefined) {
    console.error('usage: ottavia agent --config-file FILE')
    process.exit(2)
  }
  run(configurationPath).catch(fail)
}

async function run(path: string): Promise<void> {
  const { Agent } = await import('../agent/agent.ts')
  const agent = new Agent(path)
  const end = () => void agent.stop().then(() => process.exit(0), fail)
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  await agent.start()
}

function fail(error: Error): never {
  console.error(`ottavia agent: ${error.message}`)
  process.exit(1)
}
