/**
 * Rows under their headings with borders, as the `openstack` command prints its lists. A cell of several lines makes its row as high.
 * In: `numbers`, the columns that stand at the right.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: ReadonlySet<number> = new Set(),
): string {
  const split = rows.map((row) => headings.map((_, column) => (row[column] ?? '').split('\n')))
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...split.flatMap((row) => row[column]!.map((line) => line.length))),
  )
  const border = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`
  const padded = (text: string, column: number) => (numbers.has(column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!))
  const line = (cells: readonly string[]) => `|${widths.map((_, column) => ` ${padded(cells[column] ?? '', column)} `).join('|')}|`
  const lines = split.flatMap((row) => {
    const height = Math.max(...row.map((cell) => cell.length))
    return Array.from({ length: height }, (_, index) => line(row.map((cell) => cell[index] ?? '')))
  })
  return [border, line(headings), border, ...lines, border].join('\n')
}
