/** One connection, on which any bytes can be sent and answers be told from each other. */
import { connect, type Socket } from 'node:net'

/** A server that says nothing more has said it all, or waits for more; then it is told that there is no more. */
const SILENCE_MS = 60
/** By then a server has answered or closed. */
const PATIENCE_MS = 5_000

export interface Reply {
  status: number
  /** Names in lower case. */
  headers: Map<string, string>
  body: string
}

export class Wire {
  readonly #port: number
  #socket: Socket | undefined

  constructor(port: number) {
    this.#port = port
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  /**
   * Sends the bytes and answers the replies, as many as are expected or came before the server closed the connection. What is no HTTP is
   * thrown. `withoutBodies`: to HEAD there is a length and no body.
   */
  async exchange(bytes: Buffer, options: { expected: number; keep: boolean; withoutBodies: boolean }): Promise<Reply[]> {
    const socket = this.#socket ?? connect({ port: this.#port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.#socket = undefined
    let received = Buffer.alloc(0)
    const replies = await new Promise<Reply[]>((resolve, reject) => {
      let silence: NodeJS.Timeout | undefined
      const patience = setTimeout(() => finish(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS)
      const finish = (outcome: Reply[] | Error) => {
        clearTimeout(patience)
        clearTimeout(silence)
        silence = undefined
        socket.removeAllListeners()
        socket.on('error', () => {})
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
      const look = (isClosed: boolean) => {
        try {
          const found = repliesIn(received, options.withoutBodies, isClosed)
          if (found.length >= options.expected || isClosed) finish(found)
        } catch (error) {
          finish(error as Error)
        }
      }
      socket.on('data', (chunk) => {
        received = Buffer.concat([received, chunk])
        look(false)
        silence?.refresh()
      })
      socket.on('close', () => look(true))
      socket.on('end', () => look(true))
      // A reset after an answer is how a server closes on what it will not read.
      socket.on('error', () => look(true))
      socket.write(bytes)
      if (options.keep) return
      silence = setTimeout(() => {
        if (received.length > 0) look(true)
        else socket.end()
      }, SILENCE_MS)
    })
    const [last] = replies.slice(-1)
    if (options.keep && last !== undefined && last.headers.get('connection') !== 'close' && !socket.destroyed && !socket.readableEnded) {
      this.#socket = socket
      // A server may close an idle connection at any time.
      socket.once('close', () => {
        if (this.#socket === socket) this.#socket = undefined
      })
    } else socket.destroy()
    return replies
  }
}

function repliesIn(received: Buffer, withoutBodies: boolean, isClosed: boolean): Reply[] {
  const replies: Reply[] = []
  let at = 0
  while (at < received.length) {
    const end = received.indexOf('\r\n\r\n', at)
    if (end < 0) break
    const [first = '', ...lines] = received.toString('latin1', at, end).split('\r\n')
    const status = /^HTTP\/1\.1 (\d{3})( |$)/.exec(first)?.[1]
    if (status === undefined) throw new Error(`no HTTP: ${JSON.stringify(received.toString('latin1', at, at + 200))}`)
    const headers = new Map(
      lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    at = end + 4
    if (status.startsWith('1')) continue
    const hasBody = !withoutBodies && status !== '204' && status !== '304'
    const bodyEnd = hasBody ? endOfBody(received, at, headers) : at
    if (bodyEnd === undefined && !isClosed) break
    const upTo = bodyEnd ?? received.length
    replies.push({ status: Number(status), headers, body: received.toString('utf8', at, upTo) })
    at = upTo
  }
  return replies
}

/** Undefined when more is to come, or nothing but the connection's end tells it. What node itself answers is chunked and empty. */
function endOfBody(received: Buffer, at: number, headers: Map<string, string>): number | undefined {
  if (headers.get('transfer-encoding') === 'chunked') {
    const end = received.indexOf('0\r\n\r\n', at)
    return end < 0 ? undefined : end + 5
  }
  const length = headers.get('content-length')
  return length === undefined || at + Number(length) > received.length ? undefined : at + Number(length)
}
