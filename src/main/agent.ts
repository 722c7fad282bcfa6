/** `ottavia agent --config-file FILE`: what runs on an amphora. Also the entry of the one-file bundle. */
import { Agent } from '../agent/agent.ts'

const position = process.argv.indexOf('--config-file')
const configurationPath = process.argv[position + 1]
if (position < 0 || configurationPath === undefined) {
  console.error('usage: ottavia agent --config-file FILE')
  process.exit(2)
}
// No await at the top level: the bundle is no ES module (see bundle.ts).
run(configurationPath).catch(fail)

async function run(path: string): Promise<void> {
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
