import { isIP } from 'node:net'

/**
 * A web page that resolves its own name to our address (DNS rebinding) still sends its own name as Host: only the bound address,
 * localhost and the configured names are taken; on all interfaces any address literal, which cannot be rebound.
 */
export function hostIsOurs(header: string | undefined, boundHost: string, allowedHosts: readonly string[]): boolean {
  if (header === undefined) return false
  const name = header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  if (name === boundHost.toLowerCase() || name === 'localhost' || allowedHosts.includes(name)) return true
  return (boundHost === '0.0.0.0' || boundHost === '::') && isIP(name) !== 0
}
