/** Reads the pipe into which HAProxy writes its log (docs/decisions/0060-logs-through-a-pipe.md). */
import { closeSync, constants, openSync } from 'node:fs'
import { Socket } from 'node:net'

/** What a pipe holds, unless somebody made it larger. */
const READ_BYTES = 64 * 1024
/**
 * After each read comes a pause, so that under load one read brings many lines. While there is much, it is so short that no pipe runs full
 * below some ten thousand lines a second; else as long as who waits for lines does not mind.
 */
const MUCH_BYTES = READ_BYTES / 4
const PAUSE_MS = { much: 3, watched: 20, unwatched: 250 }

export class LogPipe {
  private readonly socket: Socket
  private readonly onData: (data: Buffer) => void
  private timer: NodeJS.Timeout | undefined
  private pausedFor: keyof typeof PAUSE_MS = 'watched'
  private watched = false

  /** Opens the pipe at `path`; throws where there is none. `onData` gets copies, lines cut anywhere. */
  constructor(path: string, onData: (data: Buffer) => void, onError: (error: Error) => void) {
    this.onData = onData
    // For writing, too: so there is always a writer, and no end of the file when HAProxy is away.
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    const buffer = Buffer.alloc(READ_BYTES)
    try {
      this.socket = new Socket({ fd, readable: true, writable: false, onread: { buffer, callback: (length) => this.read(buffer, length) } })
    } catch (error) {
      closeSync(fd)
      throw error
    }
    this.socket.on('error', onError)
  }

  /** Whether somebody waits for lines. */
  watch(watched: boolean): void {
    this.watched = watched
    if (watched && this.pausedFor === 'unwatched') this.goOn()
  }

  close(): void {
    clearTimeout(this.timer)
    this.socket.destroy()
  }

  /** False: not now. */
  private read(buffer: Buffer, length: number): boolean {
    this.pausedFor = length >= MUCH_BYTES ? 'much' : this.watched ? 'watched' : 'unwatched'
    this.timer = setTimeout(() => this.goOn(), PAUSE_MS[this.pausedFor])
    this.onData(Buffer.from(buffer.subarray(0, length)))
    return false
  }

  private goOn(): void {
    clearTimeout(this.timer)
    this.pausedFor = 'watched'
    this.socket.resume()
  }
}
