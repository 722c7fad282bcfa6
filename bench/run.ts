/** `npm run bench -- NAME`: each benchmark prints a table. They run in the tests' sandbox, so nothing they send leaves the machine. */
import { fileURLToPath } from 'node:url'
import { enterSandbox } from '../test/support/sandbox.ts'

const benchmarks: Record<string, () => Promise<{ run(): Promise<void> }>> = {
  provision: () => import('./provision.ts'),
}

const [name = ''] = process.argv.slice(2)
const benchmark = benchmarks[name]
if (benchmark === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benchmarks).join('|')}`)
  process.exit(2)
}
if (process.env.OTTAVIA_SANDBOX !== '1') {
  if (process.getuid?.() !== 0) {
    console.error('benchmarks make network namespaces: run them as root')
    process.exit(1)
  }
  process.exit(await enterSandbox([process.execPath, '--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), name]))
}
await (await benchmark()).run()
