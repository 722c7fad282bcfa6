export async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const beganAt = performance.now()
  const result = await work()
  printTime(beganAt, what)
  return result
}

export function printTime(beganAt: number, what: string): void {
  console.log(`${((performance.now() - beganAt) / 1000).toFixed(1).padStart(7)} s  ${what}`)
}
