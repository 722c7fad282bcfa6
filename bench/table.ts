/** Prints rows of figures under their headings, columns aligned. */
export function printTable(headings: string[], rows: string[][]): void {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: string[]) =>
    cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ')
  console.log(line(headings))
  console.log(widths.map((width) => '-'.repeat(width)).join('  '))
  for (const row of rows) console.log(line(row))
}

/** The value below which this part of the sample lies (nearest rank). */
export function quantile(sample: readonly number[], part: number): number {
  const sorted = [...sample].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))]!
}

/** `median (p10-p90)` in milliseconds. */
export function milliseconds(sample: readonly number[]): string {
  return `${quantile(sample, 0.5).toFixed(0)} (${quantile(sample, 0.1).toFixed(0)}-${quantile(sample, 0.9).toFixed(0)})`
}
