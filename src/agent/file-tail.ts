/** Follows a file that somebody else writes, and now and then truncates. */
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { LineReader } from './log-lines.ts'

const LOOK_INTERVAL_MS = 1_000
/** What is read at once; more waits for the next look. */
const READ_BYTES = 64 * 1024

export class FileTail {
  private readonly path: string
  private readonly onLines: (lines: string[]) => void
  private readonly timer: NodeJS.Timeout
  private reader = new LineReader(false)
  private position: number

  /** Calls back with the lines that are written from now on. */
  constructor(path: string, onLines: (lines: string[]) => void) {
    this.path = path
    this.onLines = onLines
    this.position = this.size()
    this.timer = setInterval(() => this.look(), LOOK_INTERVAL_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const size = this.size()
    if (size < this.position) {
      this.position = 0
      this.reader = new LineReader(false)
    }
    if (size === this.position) return
    const file = openSync(this.path, 'r')
    const buffer = Buffer.alloc(Math.min(size - this.position, READ_BYTES))
    const length = readSync(file, buffer, 0, buffer.length, this.position)
    closeSync(file)
    this.position += length
    const lines = this.reader.push(buffer.toString('utf8', 0, length))
    if (lines.length > 0) this.onLines(lines)
  }

  private size(): number {
    return statSync(this.path, { throwIfNoEntry: false })?.size ?? 0
  }
}
