import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ConfigDriveContents {
  uuid: string
  hostname: string
  /** Path on the machine to contents. */
  files: Record<string, string>
  network?: object
  /** Name of a key pair to its public key. */
  publicKeys?: Record<string, string>
}

/** Lays out a directory as Nova lays out a config drive. */
export function writeConfigDrive(directory: string, { uuid, hostname, files, network = {}, publicKeys = {} }: ConfigDriveContents): void {
  const openstack = join(directory, 'openstack')
  for (const name of ['latest', 'content']) mkdirSync(join(openstack, name), { recursive: true })
  const listed = Object.keys(files).map((path, index) => ({ path, content_path: `/content/${String(index).padStart(4, '0')}` }))
  for (const { path, content_path } of listed) writeFileSync(join(openstack, content_path), files[path]!)
  writeFileSync(join(openstack, 'latest/meta_data.json'), JSON.stringify({ uuid, hostname, files: listed, public_keys: publicKeys }))
  writeFileSync(join(openstack, 'latest/network_data.json'), JSON.stringify(network))
}
