import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'

/** A line longer than this is handed on in parts. */
const MAX_LINE_LENGTH = 64 * 1024

/**
 * What several amphorae log, as one text of whole lines; lines that begin with `#` are ours. Null is an amphora that does not answer. Nobody is read faster than
 * the text is: it is the agents that drop lines, and say so. Ends when all sources do, or with `signal`.
 */
export function logText(sources: readonly (AsyncIterable<string> | null)[], follow: boolean, signal: AbortSignal): Readable {
  const text = new PassThrough({ encoding: 'utf8' })
  // Also so that the client sees at once that it is heard.
  if (follow) text.write('# lines from now on\n')
  const readAll = async () => {
    await Promise.all(sources.map((source) => (source === null ? missing(text) : copyLines(source, text, signal))))
    text.end()
  }
  void readAll()
  return text
}

async function missing(text: PassThrough): Promise<void> {
  text.write('# a part of the load balancer does not answer: its lines are not here\n')
}

async function copyLines(source: AsyncIterable<string>, text: PassThrough, signal: AbortSignal): Promise<void> {
  let rest = ''
  try {
    for await (const piece of source) {
      rest += piece
      const end = rest.length > MAX_LINE_LENGTH ? rest.length : rest.lastIndexOf('\n') + 1
      if (end === 0) continue
      const lines = rest.slice(0, end)
      rest = rest.slice(end)
      if (!text.write(lines)) await once(text, 'drain', { signal })
    }
  } catch {
    // Aborted here, or broken off there.
    if (!signal.aborted) await missing(text)
  }
}
