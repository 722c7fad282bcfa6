/**
 * Runs the tests: `node test/run.ts all|check|unit|netns|openstack|conformance|fuzz|chaos [file...]`. What needs root runs in a sandbox of namespaces (network, mounts,
 * processes) without uplink and with its own /run, so no packet of a test can leave the machine. Ends with a line `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureOpenStack } from './support/openstack.ts'
import { type Manner, runFiles, type Totals } from './support/reporter.ts'
import { enterSandbox, startPostgres } from './support/sandbox.ts'

const checkout = fileURLToPath(new URL('..', import.meta.url))
process.chdir(checkout)
// Each file is a process of its own that loads much of the program; so it is compiled once.
process.env.NODE_COMPILE_CACHE ??= join(checkout, 'node_modules', '.cache', 'compiled')

interface Suite {
  files: string[]
  /** Each file gets a sandbox of its own, since it looks at all networks of the machine or has ports that others have, too. */
  boxed?: boolean
  /** One file after the other, with nothing beside it: what loads all cores, or changes what others see. */
  alone?: boolean
  /** Beside all services of a real OpenStack, which are brought up first. */
  openstack?: boolean
  /** Of each test and each file, where the usual ones are too short. */
  timeoutMs?: number
}

const unit: Suite = { files: ['src/**/*.test.ts'] }
const netns: Suite = { files: ['test/netns/*.test.ts'], boxed: true }
// Beside a real Keystone alone, where it is installed.
const keystone: Suite = { files: ['test/openstack/{keystone,roles}.test.ts'] }
const openstack: Suite = { files: ['test/openstack/!(keystone|roles).test.ts'], alone: true, openstack: true, timeoutMs: 1_800_000 }
const conformance: Suite = { files: ['test/conformance/*.test.ts'], boxed: true }
// Beside the real octavia-api, where it is installed.
const differential: Suite = { files: ['test/differential/*.test.ts'] }
const fuzz: Suite = { files: ['test/fuzz/*.test.ts'] }
const chaos: Suite = { files: ['test/chaos/*.test.ts'], alone: true }

const typesAndLint = [
  // By itself it takes four checkers, whose common work each does anew.
  ['tsc', '--noEmit', '--checkers', String(cpus().length)],
  ['node', 'setup/biome.mjs', 'check', '--error-on-warnings', '.'],
]

const plans: Record<string, { sandboxed: boolean; first: string[][]; suites: Suite[] }> = {
  check: {
    sandboxed: false,
    first: typesAndLint,
    suites: [unit],
  },
  // A file, in the sandbox that its suite has made for it.
  one: { sandboxed: true, first: [], suites: [{ files: ['{src,test}/**/*.test.ts'], alone: true }] },
  unit: { sandboxed: true, first: [], suites: [unit] },
  netns: { sandboxed: true, first: [], suites: [netns] },
  openstack: { sandboxed: true, first: [], suites: [keystone, openstack] },
  conformance: { sandboxed: true, first: [], suites: [conformance] },
  differential: { sandboxed: true, first: [], suites: [differential] },
  fuzz: { sandboxed: true, first: [], suites: [fuzz] },
  chaos: { sandboxed: true, first: [], suites: [chaos] },
  all: {
    sandboxed: true,
    first: typesAndLint,
    // Files that take long come first and the many short ones last, so that no core waits for another at the end.
    suites: [differential, fuzz, keystone, conformance, netns, unit, chaos],
  },
}

const [name = 'all', ...only] = process.argv.slice(2)
const plan = plans[name]
if (plan === undefined) {
  console.error(`usage: node test/run.ts ${Object.keys(plans).join('|')} [file...]`)
  process.exit(2)
}

if (plan.sandboxed && process.env.OTTAVIA_SANDBOX !== '1') {
  if (process.getuid?.() !== 0) {
    console.error('these tests make network namespaces: run them as root (npm run check needs no root)')
    process.exit(1)
  }
  const status = await enterSandbox([process.execPath, fileURLToPath(import.meta.url), name, ...only])
  process.exit(status)
}

const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
for (const [command, ...args] of plan.first) {
  const { status } = spawnSync(command!, args, { stdio: 'inherit' })
  if (status === 0) totals.passed++
  else totals.failed++
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${[command, ...args].join(' ')}`)
}
const postgres = plan.sandboxed && name !== 'one' ? await startPostgres() : undefined
if (postgres !== undefined) process.env.OTTAVIA_TEST_POSTGRES = postgres.url
const boxed = { program: fileURLToPath(import.meta.url), env: { OTTAVIA_TEST_POSTGRES: postgres?.socketUrl } }
const filesOf = (suite: Suite): [string, Manner][] =>
  globSync(suite.files)
    .filter((file) => only.length === 0 || only.some((wanted) => file.includes(wanted)))
    .sort()
    .map((file) => [file, { boxed: suite.boxed ? boxed : undefined, timeoutMs: suite.timeoutMs }])
const beside = plan.suites.filter(({ alone }) => !alone)
await runFiles(beside.flatMap(filesOf), cpus().length, totals)
for (const suite of plan.suites.filter(({ alone }) => alone)) {
  const files = filesOf(suite)
  if (files.length === 0) continue
  if (suite.openstack) Object.assign(process.env, await ensureOpenStack())
  await runFiles(files, 1, totals)
}
await postgres?.stop()
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1)
