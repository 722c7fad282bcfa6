/**
 * `ottavia agent --config-file FILE`: what runs on an amphora. With `--config-drive DIRECTORY` it takes its files from a mounted config drive of
 * OpenStack first, and with `--machine` the machine's name, addresses and SSH keys as well. Also the entry of the one-file bundle, and of the process by which the agent checks members of UDP listeners.
 */
import { PROBE_VARIABLE } from '../agent/udp/probe-variable.ts'

// No await at the top level: the bundle is no ES module (see bundle.ts). Each loads only what it needs.
if (process.env[PROBE_VARIABLE] === '1') import('../agent/udp/probe-process.ts').then(({ runProbeProcess }) => runProbeProcess(), fail)
else {
  const drive = argumentOf('--config-drive')
  const file = argumentOf('--config-file')
  if ((drive === undefined) === (file === undefined)) {
    console.error('usage: ottavia agent --config-file FILE | --config-drive DIRECTORY [--machine]')
    process.exit(2)
  }
  start(drive, file).catch(fail)
}

async function start(drive: string | undefined, file: string | undefined): Promise<void> {
  if (drive === undefined) return await run(file!)
  const { bootFrom } = await import('../agent/boot/boot.ts')
  await run(await bootFrom(drive, { isMachine: process.argv.includes('--machine') }))
}

async function run(path: string): Promise<void> {
  const { Agent } = await import('../agent/agent.ts')
  const agent = new Agent(path)
  const end = () => void agent.stop().then(() => process.exit(0), fail)
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  await agent.start()
}

function argumentOf(option: string): string | undefined {
  const position = process.argv.indexOf(option)
  return position < 0 ? undefined : process.argv[position + 1]
}

function fail(error: Error): never {
  console.error(`ottavia agent: ${error.message}`)
  process.exit(1)
}
