/** One check of a member. Each resolves within its timeout: null when the member is well, else with what is wrong. */
import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import type { Check } from './lvs-file.ts'

/** The status line of an answer is shorter. */
const MAX_STATUS_LINE_BYTES = 4096

export function probe(check: Check): Promise<string | null> {
  switch (check.kind) {
    case 'udp':
      return probeUdp(check)
    case 'tcp':
      return probeTcp(check)
    case 'http':
      return probeHttp(check)
  }
}

/**
 * As upstream's udp_check.sh (`nc -u -z`): a datagram `X` is sent, and only who says that nobody is there (an ICMP error, or no answer to
 * neighbour discovery) is not well; silence is what UDP servers owe to strangers.
 */
function probeUdp({ address, port, timeoutMs }: Check): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const timer = setTimeout(() => end(null), timeoutMs)
    const end = (failure: string | null) => {
      clearTimeout(timer)
      socket.removeAllListeners()
      // Errors that come late are nobody's.
      socket.on('error', () => {})
      socket.close()
      resolve(failure)
    }
    socket.on('error', (error) => end(error.message))
    socket.on('message', () => end(null))
    socket.connect(port, address, () => {
      socket.send('X', (error) => {
        if (error) end(error.message)
      })
    })
  })
}

function probeTcp(check: Check): Promise<string | null> {
  return withConnection(check, (_, end) => end(null))
}

function probeHttp(check: Check & { kind: 'http' }): Promise<string | null> {
  const { method, path, version, host, codes, address, port } = check
  const authority = host ?? (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
  return withConnection(check, (socket, end) => {
    let head = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      head += chunk
      const line = /^(.*?)\r?\n/.exec(head)?.[1]
      if (line === undefined) {
        if (head.length > MAX_STATUS_LINE_BYTES) end('the answer is not HTTP')
        return
      }
      const status = Number(/^HTTP\/\d\.\d (\d{3})(?!\d)/.exec(line)?.[1])
      end(codes.some(([first, last]) => status >= first && status <= last) ? null : `the answer is '${line.slice(0, 80)}'`)
    })
    socket.on('end', () => end('the connection was closed before an answer'))
    socket.write(`${method} ${path} HTTP/${version}\r\nHost: ${authority}\r\nUser-Agent: octavia-health-check\r\nConnection: close\r\n\r\n`)
  })
}

function withConnection(
  { address, port, timeoutMs }: Check,
  use: (socket: Socket, end: (failure: string | null) => void) => void,
): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`), timeoutMs)
    const end = (failure: string | null) => {
      clearTimeout(timer)
      // Also takes away a connection that was refused no sooner than here.
      socket.destroy()
      resolve(failure)
    }
    socket.on('error', (error) => end(error.message))
    socket.on('connect', () => use(socket, end))
  })
}
