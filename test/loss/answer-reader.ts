/** Reads one HTTP/1.1 answer from the chunks of a connection: as little as the load generator needs, and exactly. */
export class AnswerReader {
  #text = ''
  /** Once the head is there: its status, and how many bytes of the body are missing (or whether it comes in chunks). */
  #head: { status: number; closes: boolean; chunked: boolean; missing: number } | undefined

  get hasBegun(): boolean {
    return this.#text !== '' || this.#head !== undefined
  }

  /** The answer with the chunk that completes it, else null. Throws where what comes is not HTTP. */
  read(chunk: Buffer): { status: number; closes: boolean } | null {
    this.#text += chunk.toString('latin1')
    if (this.#head === undefined) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end < 0) return null
      this.#head = parseHead(this.#text.slice(0, end))
      this.#text = this.#text.slice(end + 4)
    }
    const { status, closes, chunked, missing } = this.#head
    const complete = chunked ? this.#text.endsWith('0\r\n\r\n') : this.#text.length >= missing
    return complete ? { status, closes } : null
  }
}

function parseHead(head: string): { status: number; closes: boolean; chunked: boolean; missing: number } {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]
  if (status === undefined) throw new Error(`no HTTP answer: ${head.slice(0, 80)}`)
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'im').exec(head)?.[1]
  const length = field('content-length')
  const chunked = /chunked/i.test(field('transfer-encoding') ?? '')
  if (length === undefined && !chunked) throw new Error(`an answer of unknown length: ${head.slice(0, 80)}`)
  return { status: Number(status), closes: /close/i.test(field('connection') ?? ''), chunked, missing: Number(length ?? 0) }
}
