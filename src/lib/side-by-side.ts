/** Works on all items, at most `limit` at a time, and answers in their order. Of several failures the first is thrown, when nothing is under way any more. */
export async function sideBySide<T, R>(items: readonly T[], limit: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  async function takeTurns(): Promise<void> {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index]!)
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, takeTurns))
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return results
}
