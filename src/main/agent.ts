/** `ottavia agent --config-file FILE`: what runs on an amphora. Also the entry of the one-file bundle. */
import { Agent } from '../agent/agent.ts'

const position = process.argv.indexOf('--config-file')
const configurationPath = process.argv[position + 1]
if (position < 0 || configurationPath === undefined) {
  console.error('usage: ottavia agent --config-file FILE')
  process.exit(2)
}

try {
  const agent = new Agent(configurationPath)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      agent.stop().then(
        () => process.exit(0),
        (error: Error) => {
          console.error(`ottavia agent: ${error.message}`)
          process.exit(1)
        },
      )
    })
  }
  await agent.start()
} catch (error) {
  console.error(`ottavia agent: ${(error as Error).message}`)
  process.exit(1)
}
