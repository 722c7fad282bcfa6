import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { NotFoundError } from '../errors.ts'
import type { ImageDriver } from './driver.ts'

export interface ImagesUnderTest {
  driver: ImageDriver
  /** A tag that an image has. */
  tag: string
  /** Makes an image with this tag, newer than all before, and answers its id; undefined where images are given. */
  addImage?(tag: string): Promise<string>
  close?(): Promise<void>
}

/** The promises of ImageDriver, as tests: every implementation that keeps state passes them. */
export function imageContract(name: string, open: () => Promise<ImagesUnderTest>): void {
  describe(`image driver: ${name}`, () => {
    let it: ImagesUnderTest
    beforeEach(async () => {
      it = await open()
    })
    afterEach(async () => {
      await it.close?.()
    })

    test('an image is found by its tag, and always the same one', async () => {
      const id = await it.driver.findImage(it.tag)
      assert.notEqual(id, '')
      assert.equal(await it.driver.findImage(it.tag), id)
    })

    test('a tag that no image has is told', async () => {
      await assert.rejects(it.driver.findImage('nothing'), new NotFoundError('Image with tag', 'nothing'))
    })

    test('of several images with a tag the newest is found', async () => {
      if (it.addImage === undefined) return
      await it.addImage(it.tag)
      const newest = await it.addImage(it.tag)
      assert.equal(await it.driver.findImage(it.tag), newest)
    })
  })
}
