import { run } from 'node:test'

export interface Totals {
  passed: number
  failed: number
  skipped: number
}

/** A single test file may take this long. */
const FILE_TIMEOUT_MS = 170_000

/** Runs test files, each in its own process; prints a line per file and all that is known of a failure; adds to the totals. */
export async function runFiles(files: string[], concurrency: number, totals: Totals): Promise<void> {
  const perFile = new Map<string, Totals & { durationMs: number }>()
  const of = (file: string | undefined) => {
    const key = file?.replace(`${process.cwd()}/`, '') ?? 'unknown'
    let entry = perFile.get(key)
    if (entry === undefined) {
      entry = { passed: 0, failed: 0, skipped: 0, durationMs: 0 }
      perFile.set(key, entry)
    }
    return entry
  }
  const stream = run({ files, concurrency, timeout: FILE_TIMEOUT_MS })
  for await (const { type, data } of stream) {
    if (type === 'test:pass' || type === 'test:fail') {
      const entry = of(data.file)
      if (data.details.type === 'suite') continue
      if (data.skip !== undefined || data.todo !== undefined) {
        entry.skipped++
        console.log(`skip ${data.name}`)
      } else if (type === 'test:pass') entry.passed++
      else {
        entry.failed++
        const error = data.details.error
        const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : String(error.cause ?? error.message)
        console.log(`FAIL ${data.file ?? ''}: ${data.name}\n${indent(cause)}`)
      }
    } else if (type === 'test:stderr') process.stderr.write(data.message)
    else if (type === 'test:summary' && data.file !== undefined) {
      const entry = of(data.file)
      entry.durationMs = data.duration_ms
      const { passed, failed, skipped } = entry
      console.log(
        `${failed === 0 ? 'ok  ' : 'FAIL'} ${data.file.replace(`${process.cwd()}/`, '')}: ${passed} passed, ${failed} failed, ${skipped} skipped (${Math.round(data.duration_ms)} ms)`,
      )
    }
  }
  for (const { passed, failed, skipped } of perFile.values()) {
    totals.passed += passed
    totals.failed += failed
    totals.skipped += skipped
  }
}

const indent = (text: string) => text.replace(/^/gm, '     ')
