import { createHash } from 'node:crypto'

/** Answers of dear work by what it was done on, failures as well: the latest used stay. Known by a digest alone, so not a word of it is kept. */
export function remember<R>(most: number, work: (bytes: Buffer) => Promise<R>): (bytes: Buffer) => Promise<R> {
  const known = new Map<string, Promise<R>>()
  return (bytes) => {
    const name = createHash('sha256').update(bytes).digest('base64')
    const answer = known.get(name) ?? work(bytes)
    // The last in the map is the latest used.
    known.delete(name)
    known.set(name, answer)
    if (known.size > most) known.delete(known.keys().next().value!)
    return answer
  }
}
