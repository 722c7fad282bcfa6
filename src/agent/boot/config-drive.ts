/**
 * What a machine is booted with: OpenStack's config drive, mounted somewhere (https://docs.openstack.org/nova/latest/user/metadata.html). Files come as
 * the API's `personality`, which Nova lists in `meta_data.json`, or in user data as cloud-init's `write_files`.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../files.ts'
import { filesInCloudConfig } from './cloud-config.ts'

const LATEST = 'openstack/latest'
/** Nova takes less by far: 64 KiB of user data, some files of 10 KiB. */
const MAX_FILE_BYTES = 1024 * 1024
const MAX_FILES = 32

/** A config drive that this amphora cannot boot from: names what is wrong, never what is in it. */
export class ConfigDriveError extends Error {}

export interface ConfigDrive {
  /** The server's id in Nova. */
  instance_id: string
  hostname: string
  /** OpenSSH public keys, one a line in each. */
  publicKeys: string[]
  /** Path to contents. Where both ways name a file, user data has it. */
  files: Map<string, Buffer>
  network: NetworkData
}

/** `network_data.json`, as much of it as an amphora needs. */
export interface NetworkData {
  links: { id: string; ethernet_mac_address: string; mtu?: number | null }[]
  networks: {
    link: string
    /** `ipv4`, `ipv4_dhcp`, `ipv6`, `ipv6_dhcp`, `ipv6_slaac`, `ipv6_dhcpv6-stateful`, `ipv6_dhcpv6-stateless`. */
    type: string
    ip_address?: string
    netmask?: string
    routes?: { network: string; netmask: string; gateway: string }[]
  }[]
}

interface MetaData {
  uuid: string
  hostname?: string
  name?: string
  public_keys?: Record<string, string>
  files?: { path: string; content_path: string }[]
}

/** Throws ConfigDriveError, CloudConfigError. */
export function readConfigDrive(directory: string): ConfigDrive {
  const meta = json<MetaData>(directory, 'meta_data.json')
  if (meta === null) throw new ConfigDriveError(`${directory} is no config drive: it has no ${LATEST}/meta_data.json`)
  const { uuid, hostname, name, public_keys = {}, files: listed = [] } = meta
  if (typeof uuid !== 'string' || uuid === '') throw new ConfigDriveError('meta_data.json names no uuid')
  const files = new Map<string, Buffer>()
  for (const { path, content_path } of listed.slice(0, MAX_FILES + 1)) {
    if (!/^\/content\/\w+$/.test(content_path)) throw new ConfigDriveError(`meta_data.json: the contents of ${path} are not below /content`)
    files.set(path, bounded(join(directory, 'openstack', content_path)))
  }
  const userData = join(directory, LATEST, 'user_data')
  if (statSync(userData, { throwIfNoEntry: false }) !== undefined) {
    for (const [path, contents] of filesInCloudConfig(bounded(userData).toString())) files.set(path, contents)
  }
  if (files.size > MAX_FILES) throw new ConfigDriveError(`more than ${MAX_FILES} files`)
  return {
    instance_id: uuid,
    hostname: hostname ?? name ?? uuid,
    publicKeys: Object.values(public_keys),
    files,
    network: { links: [], networks: [], ...json<Partial<NetworkData>>(directory, 'network_data.json') },
  }
}

function json<T>(directory: string, name: string): T | null {
  const text = readIfThere(join(directory, LATEST, name))
  if (text === null) return null
  try {
    return JSON.parse(text) as T
  } catch {
    throw new ConfigDriveError(`${name} is no JSON`)
  }
}

function bounded(path: string): Buffer {
  const size = statSync(path, { throwIfNoEntry: false })?.size
  if (size === undefined) throw new ConfigDriveError(`${path} is named and not there`)
  if (size > MAX_FILE_BYTES) throw new ConfigDriveError(`${path} has more than ${MAX_FILE_BYTES} bytes`)
  return readFileSync(path)
}
