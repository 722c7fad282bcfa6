/** `npm run bench -- NAME [OPTIONS]`: each benchmark prints a table. They run in the tests' sandbox, so nothing they send leaves the machine. */
import { fileURLToPath } from 'node:url'
import { enterSandbox } from '../test/support/sandbox.ts'

const benchmarks: Record<string, () => Promise<{ run(options: string[]): Promise<void> }>> = {
  api: () => import('./api.ts'),
  failover: () => import('./failover.ts'),
  heartbeats: () => import('./heartbeats.ts'),
  dataplane: () => import('./dataplane.ts'),
  openstack: () => import('./openstack.ts'),
  provision: () => import('./provision.ts'),
}

const [name = '', ...options] = process.argv.slice(2)
const benchmark = benchmarks[name]
if (benchmark === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(benchmarks).join('|')} [OPTIONS]`)
  process.exit(2)
}
if (process.env.OTTAVIA_SANDBOX !== '1') {
  if (process.getuid?.() !== 0) {
    console.error('benchmarks make network namespaces: run them as root')
    process.exit(1)
  }
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.url), name, ...options]
  process.exit(await enterSandbox(command))
}
await (await benchmark()).run(options)
