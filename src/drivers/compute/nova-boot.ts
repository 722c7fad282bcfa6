/** What Nova is told of a new machine (upstream: `build` in `octavia/compute/drivers/nova_driver.py`, `ComputeCreate` in `compute_tasks.py`). */
import { createHash } from 'node:crypto'
import type { Config } from '../../config/config.ts'
import { renderUserData } from '../../render/user-data.ts'
import type { WantedServer } from './driver.ts'
import { metadataKeys } from './nova-server.ts'

export type BootOptions = Pick<Config, 'controller_worker' | 'nova'>

/** The body of POST /servers. Holds the machine's private key. Throws when there is no flavor. */
export function bootRequest(wanted: WantedServer, { controller_worker, nova }: BootOptions): object {
  const { amp_ssh_key_name, amp_timezone, user_data_config_drive } = controller_worker
  const { network_ids, security_group_ids, compute_flavor, image_id, availability_zone, server_group_id, files } = wanted
  if (!compute_flavor) throw new Error('[controller_worker] amp_flavor_id: missing, and Nova needs a flavor')
  const inUserData = user_data_config_drive ? files : {}
  return {
    server: {
      name: novaName(wanted.name, nova),
      flavorRef: compute_flavor,
      ...(image_id === null ? {} : { imageRef: image_id }),
      // Without any Nova takes all networks of the project, as with upstream.
      ...(network_ids.length === 0 ? {} : { networks: network_ids.map((uuid) => ({ uuid })) }),
      ...(security_group_ids.length === 0 ? {} : { security_groups: security_group_ids.map((name) => ({ name })) }),
      ...(availability_zone === null ? {} : { availability_zone }),
      ...(amp_ssh_key_name === '' ? {} : { key_name: amp_ssh_key_name }),
      config_drive: true,
      ...(user_data_config_drive ? {} : { personality: Object.entries(files).map(([path, text]) => ({ path, contents: base64(text) })) }),
      user_data: base64(renderUserData({ files: inUserData, timezone: amp_timezone })),
      metadata: {
        [metadataKeys.madeBy]: wanted.made_by,
        [metadataKeys.name]: wanted.name,
        ...(network_ids[0] === undefined ? {} : { [metadataKeys.managementNetwork]: network_ids[0] }),
      },
    },
    ...(server_group_id === null ? {} : { 'os:scheduler_hints': { group: server_group_id } }),
  }
}

/**
 * What the server is called in Nova. With `random_amphora_name_length` a name in upstream's form `a[A-Z0-9]*`, which looks as random, and which a repeated
 * call finds again since it comes from the name itself.
 */
export function novaName(name: string, { random_amphora_name_length: length }: Pick<Config['nova'], 'random_amphora_name_length'>): string {
  if (length === 0) return name
  let letters = ''
  for (let block = 0; letters.length < length - 1; block++) {
    for (const byte of createHash('sha256').update(`${block} ${name}`).digest()) letters += LETTERS[byte % LETTERS.length]
  }
  return `a${letters.slice(0, length - 1)}`
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

const base64 = (text: string) => Buffer.from(text).toString('base64')
