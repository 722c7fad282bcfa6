/** Headers that a listener puts into requests and answers. */
import type { ListenerTree } from '../resources/load-balancer/tree.ts'
import type { Line } from './haproxy-words.ts'

/**
 * Of each header what it is set to, in HAProxy's log format. They replace what a client sends by that name. Upstream accepts X-Forwarded-IP,
 * X-Client-IP and X-Real-IP and never sets them.
 */
const plain = {
  'X-Forwarded-Port': '%[dst_port]',
  'X-Forwarded-IP': '%[src]',
  'X-Client-IP': '%[src]',
  'X-Real-IP': '%[src]',
} as const

/** Of listeners of TERMINATED_HTTPS alone. Without a client's certificate they are 0 and empty, as upstream's. */
const ofClientCertificates = {
  'X-SSL-Client-Verify': '%[ssl_c_verify]',
  'X-SSL-Client-Has-Cert': '%[ssl_c_used]',
  'X-SSL-Client-DN': '%{+Q}[ssl_c_s_dn]',
  'X-SSL-Client-CN': '%{+Q}[ssl_c_s_dn(cn)]',
  'X-SSL-Issuer': '%{+Q}[ssl_c_i_dn]',
  'X-SSL-Client-SHA1': '%{+Q}[ssl_c_sha1,hex]',
  'X-SSL-Client-Not-Before': '%{+Q}[ssl_c_notbefore]',
  'X-SSL-Client-Not-After': '%{+Q}[ssl_c_notafter]',
} as const

/** What requests are given on their way to members; the API knows the names, and a value of `true` asks for one. */
export function requestHeaderLines({ protocol, insert_headers }: ListenerTree): Line[] {
  const isWanted = (name: string) => insert_headers[name]?.toLowerCase() === 'true'
  const isTls = protocol === 'TERMINATED_HTTPS'
  const values = { ...plain, 'X-Forwarded-Proto': isTls ? 'https' : 'http', ...(isTls ? ofClientCertificates : {}) }
  return [
    // What a client sends stays, and its address follows: the members know how many proxies they have before them.
    ...(isWanted('X-Forwarded-For') ? [['option', 'forwardfor']] : []),
    ...Object.entries(values).flatMap(([name, value]): Line[] => (isWanted(name) ? [['http-request', 'set-header', name, value]] : [])),
  ]
}

/** HSTS (RFC 6797), also on answers that HAProxy gives itself. */
export function securityHeaderLines({ protocol, hsts_max_age, hsts_include_subdomains, hsts_preload }: ListenerTree): Line[] {
  if (protocol !== 'TERMINATED_HTTPS' || hsts_max_age === null) return []
  const directives = [
    `max-age=${hsts_max_age}`,
    ...(hsts_include_subdomains ? ['includeSubDomains'] : []),
    ...(hsts_preload ? ['preload'] : []),
  ]
  return [['http-after-response', 'set-header', 'Strict-Transport-Security', directives.join('; ')]]
}
