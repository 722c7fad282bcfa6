import { createHash } from 'node:crypto'

/**
 * The name of an amphora in HAProxy's `peers` section and on its command line (`-L`), as upstream derives it
 * (`octavia/common/utils.py`, base64_sha1_string): base64 of the SHA-1 of its id with `_` and `-` for `+` and `/`, a leading `-` turned
 * into `x`, without padding.
 */
export function peerName(amphora_id: string): string {
  const digest = createHash('sha1').update(amphora_id).digest('base64')
  return digest.replaceAll('+', '_').replaceAll('/', '-').replace(/^-/, 'x').replace(/=+$/, '')
}
