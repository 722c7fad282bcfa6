/** Gives an image to Glance as the service user's own, as `openstack image create` would, and tags it when it is whole. */
import { readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import type { OpenStackSession, ServiceClient } from '../drivers/openstack/session.ts'
import { timestamp } from '../lib/clock.ts'

const UPLOAD_TIMEOUT_MS = 1_800_000
const GIB = 1024n ** 3n

export interface UploadContext {
  session: Pick<OpenStackSession, 'client'>
  config: Pick<Config, 'glance' | 'compute'>
  /** Milliseconds since 1970. */
  now: number
}

/**
 * Answers the image's id. The tag is how controllers find it (`[controller_worker] amp_image_tag`): they take the newest. Throws ServiceError, and then Glance
 * has no part of it.
 */
export async function uploadImage(file: string, tag: string, { session, config, now }: UploadContext): Promise<string> {
  const contents = await readFile(file)
  const record = recordOf(contents, now)
  const options = {
    name: 'Glance',
    type: 'image',
    section: 'glance',
    options: config.glance,
    patience: config.compute,
    version: '/v2',
  } as const
  const glance = session.client(options)
  const { body } = await glance.request<{ id: string }>('POST', '/v2/images', { body: record })
  const path = `/v2/images/${body.id}`
  try {
    await sendFile(glance, path, contents)
    // Last, so that no controller takes half an image.
    await glance.request('PUT', `${path}/tags/${encodeURIComponent(tag)}`)
  } catch (error) {
    await glance.request('DELETE', path, { accept: [404] })
    throw error
  }
  return body.id
}

/** Throws for what is no qcow2. */
function recordOf(contents: Buffer, now: number): object {
  if (contents.subarray(0, 4).toString('latin1') !== 'QFI\xfb') throw new Error('the file is no qcow2 image')
  // Of the disk that a machine sees (QEMU's docs/interop/qcow2.txt).
  const diskBytes = contents.readBigUInt64BE(24)
  return {
    name: `ottavia-amphora-${timestamp(now)}`,
    disk_format: 'qcow2',
    container_format: 'bare',
    visibility: 'private',
    min_disk: Number((diskBytes + GIB - 1n) / GIB),
    // The kernel's drivers are those of virtual machines, and a BIOS starts it.
    hw_architecture: 'x86_64',
    hw_firmware_type: 'bios',
    hw_disk_bus: 'virtio',
    hw_vif_model: 'virtio',
    hw_rng_model: 'virtio',
    os_distro: 'debian',
    os_version: '12',
    os_type: 'linux',
  }
}

async function sendFile(glance: ServiceClient, path: string, contents: Buffer): Promise<void> {
  const headers = { 'Content-Type': 'application/octet-stream' }
  await glance.request('PUT', `${path}/file`, { body: contents, headers, repeatable: false, timeoutMs: UPLOAD_TIMEOUT_MS })
  const { body } = await glance.request<{ status: string; size: number }>('GET', path)
  if (body.status !== 'active' || body.size !== contents.length)
    throw new Error(`Glance has ${body.size} bytes of the image, status ${body.status}, instead of ${contents.length} bytes`)
}
