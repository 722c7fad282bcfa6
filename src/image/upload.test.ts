import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig } from '../config/config.ts'
import { ServiceError } from '../drivers/errors.ts'
import type { OpenStackSession, ServiceClient, ServiceRequest } from '../drivers/openstack/session.ts'
import { uploadImage } from './upload.ts'

const directory = mkdtempSync(join(tmpdir(), 'upload-'))
after(() => rmSync(directory, { recursive: true }))
const config = loadConfig({ stateDirectory: directory })
const now = Date.UTC(2026, 10, 26)

function anImage(magic = 'QFI\xfb'): string {
  const path = join(directory, 'amphora.qcow2')
  const contents = Buffer.alloc(512)
  contents.write(magic, 'latin1')
  // A disk of 2.5 GiB.
  contents.writeBigUInt64BE(2_684_354_560n, 24)
  writeFileSync(path, contents)
  return path
}

interface Stored {
  record: Record<string, unknown>
  bytes: Uint8Array | undefined
  tags: string[]
}

/** As much of Glance as an upload needs; `full` refuses contents. */
class SmallGlance implements Pick<OpenStackSession, 'client'> {
  readonly images = new Map<string, Stored>()
  full = false

  client(): ServiceClient {
    const request = async (method: string, path: string, { body }: ServiceRequest = {}) => ({
      status: 200,
      body: this.answer(method, path, body),
      text: '',
      headers: {},
    })
    return { request: request as ServiceClient['request'], list: async () => [] }
  }

  private answer(method: string, path: string, body: unknown): object {
    const [, , , id = '', part, tag = ''] = path.split('/')
    if (method === 'POST') {
      this.images.set('image-1', { record: body as Stored['record'], bytes: undefined, tags: [] })
      return { id: 'image-1' }
    }
    if (method === 'DELETE') {
      this.images.delete(id)
      return {}
    }
    const image = this.images.get(id)!
    if (part === 'file' && this.full) throw new ServiceError('Glance', `${method} ${path}`, { status: 413, words: 'The quota is full' })
    if (part === 'file') image.bytes = body as Uint8Array
    if (part === 'tags') image.tags.push(decodeURIComponent(tag))
    return { status: image.bytes === undefined ? 'queued' : 'active', size: image.bytes?.length }
  }
}

test('an image is given to Glance whole, private, with its tag and what machines it is for', async () => {
  const session = new SmallGlance()
  assert.equal(await uploadImage(anImage(), 'my amphora', { session, config, now }), 'image-1')
  const { record, bytes, tags } = session.images.get('image-1')!
  assert.equal(bytes?.length, 512)
  assert.deepEqual(tags, ['my amphora'])
  assert.deepEqual(
    [record.disk_format, record.visibility, record.min_disk, record.hw_architecture, record.hw_firmware_type],
    ['qcow2', 'private', 3, 'x86_64', 'bios'],
  )
})

test('what Glance refuses leaves nothing there, and its words are told', async () => {
  const session = new SmallGlance()
  session.full = true
  await assert.rejects(uploadImage(anImage(), 'amphora', { session, config, now }), /The quota is full/)
  assert.equal(session.images.size, 0)
})

test('a file that is no qcow2 is refused before Glance is asked', async () => {
  const session = new SmallGlance()
  await assert.rejects(uploadImage(anImage('PK\x03\x04'), 'amphora', { session, config, now }), /no qcow2/)
  assert.equal(session.images.size, 0)
})
