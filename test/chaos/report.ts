import type { ChaosReport } from './chaos.ts'

export function isGood({ stuck, leaked, wrong, counts }: ChaosReport): boolean {
  return stuck.length + leaked.length + wrong.length + counts.unexpected.length === 0
}

export function printReport({ stuck, leaked, wrong, inError, counts, struck, restarts }: ChaosReport): void {
  const table = (counted: Map<string, number>) =>
    [...counted]
      .toSorted()
      .map(([what, times]) => `${what}: ${times}`)
      .join(', ')
  console.log(`struck: ${table(struck)}; controllers started again: ${restarts}`)
  console.log(`changes: ${table(counts.changes)}`)
  const share = counts.requests === 0 ? 0 : (100 * counts.lost) / counts.requests
  console.log(`requests through load balancers: ${counts.requests}, lost: ${counts.lost} (${share.toFixed(2)} %)`)
  for (const [title, lines] of Object.entries({
    stuck,
    leaked,
    wrong,
    'answered unexpectedly': counts.unexpected,
    'in ERROR, with a reason': inError,
  })) {
    console.log(`${title}: ${lines.length}`)
    for (const line of lines) console.log(`  ${line}`)
  }
}
