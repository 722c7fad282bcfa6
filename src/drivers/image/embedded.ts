/** Amphorae of the embedded cloud are all alike: there is one image, which is called as it is tagged. */
import { NotFoundError } from '../errors.ts'
import type { ImageDriver } from './driver.ts'

export class EmbeddedImages implements ImageDriver {
  readonly #tag: string

  constructor(tag: string) {
    this.#tag = tag
  }

  async findImage(tag: string): Promise<string> {
    if (tag !== this.#tag) throw new NotFoundError('Image with tag', tag)
    return tag
  }
}
