/** What keepalived's configuration is made of: lines and blocks of lines. A line that begins with `#` is a comment. */
import { formatIp, parseIp } from '../lib/ip.ts'

export type Block = { head: string; body: (string | Block)[] }

export function block(head: string, body: (string | Block)[]): Block {
  return { head, body }
}

export function print(blocks: (string | Block)[], indent = ''): string {
  return blocks
    .map((item) =>
      typeof item === 'string' ? `${indent}${item}\n` : `${indent}${item.head} {\n${print(item.body, `${indent}    `)}${indent}}\n`,
    )
    .join(indent === '' ? '\n' : '')
}

/** An address from outside, spelled anew, so that nothing but an address can stand in its place. */
export function address(text: string): string {
  const ip = parseIp(text)
  if (ip === null) throw new Error(`'${text}' is no address`)
  return formatIp(ip)
}
