/** Every tag names an image, whose id is derived from it. For benchmarks and tests of the API. */
import { derivedId } from '../../lib/derived-id.ts'
import type { ImageDriver } from './driver.ts'

export class NoopImages implements ImageDriver {
  async findImage(tag: string): Promise<string> {
    return derivedId('image', tag)
  }
}
