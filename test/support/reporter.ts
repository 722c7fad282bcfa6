import { run } from 'node:test'
import { readSandbox } from './sandbox.ts'

export interface Totals {
  passed: number
  failed: number
  skipped: number
}

/** How a file is run. */
export interface Manner {
  /** In a sandbox of its own, in which it sees no other's networks: by this program, with these variables. */
  boxed?: { program: string; env: NodeJS.ProcessEnv }
  /** Only the tests whose names match one. */
  names?: RegExp[]
  /** Of each test and each file. */
  timeoutMs?: number
}

/** A single test may take this long. */
const TEST_TIMEOUT_MS = 170_000
/** And a file; one that does not end, because something in it is left open, fails then. */
const FILE_TIMEOUT_MS = 240_000

/**
 * Runs test files in the order given, so many at once, each in a process of its own; prints a line per file and all that is known of a failure; adds to
 * the totals. A file that failed beside another is judged when it runs alone.
 */
export async function runFiles(files: readonly (readonly [string, Manner])[], concurrency: number, totals: Totals): Promise<void> {
  const runOne = ([file, manner]: readonly [string, Manner]) =>
    manner.boxed === undefined ? runFile(file, manner) : runBoxed(file, manner.boxed)
  const add = ({ passed, failed, skipped }: Totals) => {
    totals.passed += passed
    totals.failed += failed
    totals.skipped += skipped
  }
  const waiting = [...files]
  const starved: (readonly [string, Manner])[] = []
  const runWaiting = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runOne(file)
      if (result.failed > 0 && concurrency > 1) starved.push(file)
      else add(result)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, runWaiting))
  for (const file of starved) {
    console.log(`once more, alone: ${file[0]}`)
    add(await runOne(file))
  }
}

/** `program` runs the file it is given and ends with a line `N passed, N failed[, N skipped]`. */
async function runBoxed(file: string, { program, env }: { program: string; env: NodeJS.ProcessEnv }): Promise<Totals> {
  const { status, output } = await readSandbox([process.execPath, program, 'one', file], env)
  const [, told = '', passed = 0, failed = 0, skipped = 0] = /^(.*?)(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\n$/s.exec(output) ?? []
  process.stdout.write(told === '' ? output : told)
  if (told === '') console.log(`FAIL ${file}: it ended with status ${status}`)
  return told === '' ? { passed: 0, failed: 1, skipped: 0 } : { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) }
}

/** One file a run, since a test is reported by the place where it is defined, which may be a helper's. */
async function runFile(file: string, { names, timeoutMs }: Pick<Manner, 'names' | 'timeoutMs'>): Promise<Totals> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 }
  const failures: string[] = []
  const started = performance.now()
  const signal = AbortSignal.timeout(timeoutMs ?? FILE_TIMEOUT_MS)
  for await (const { type, data } of run({ files: [file], testNamePatterns: names, timeout: timeoutMs ?? TEST_TIMEOUT_MS, signal })) {
    if (type === 'test:stderr') process.stderr.write(data.message)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.details.type === 'suite') {
      // Its tests are counted one by one; what stopped them all at once is told only here.
      if (type === 'test:fail' && data.details.error.failureType === 'hookFailed')
        failures.push(describeFailure(data.name, data.details.error))
      continue
    }
    if (data.skip !== undefined || data.todo !== undefined) {
      totals.skipped++
      console.log(`skip ${data.name}`)
    } else if (type === 'test:pass') totals.passed++
    else {
      totals.failed++
      failures.push(describeFailure(data.name, data.details.error))
    }
  }
  const { passed, failed, skipped } = totals
  const seconds = ((performance.now() - started) / 1_000).toFixed(1)
  console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} ${file}: ${passed} passed, ${failed} failed, ${skipped} skipped (${seconds} s)`)
  for (const failure of failures) console.log(failure)
  return totals
}

function describeFailure(name: string, { cause, message }: Error): string {
  return `     ${name}\n${indent(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause ?? message))}`
}

const indent = (text: string) => text.replace(/^/gm, '       ')
