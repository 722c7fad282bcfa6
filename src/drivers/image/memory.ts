/** Images in this process's memory, for tests. */
import { NotFoundError } from '../errors.ts'
import { Failures } from '../failures.ts'
import type { ImageDriver } from './driver.ts'

export class MemoryImages implements ImageDriver {
  /** Oldest first; a test adds what it needs. */
  readonly images: { id: string; tag: string }[] = [{ id: 'image-of-amphora', tag: 'amphora' }]
  private readonly failures = new Failures<keyof ImageDriver>()

  failNext(method: keyof ImageDriver, error?: Error): void {
    this.failures.failNext(method, error)
  }

  findImage(tag: string): Promise<string> {
    return this.failures.around('findImage', () => {
      const newest = this.images.findLast((image) => image.tag === tag)
      if (newest === undefined) throw new NotFoundError('Image with tag', tag)
      return newest.id
    })
  }
}
