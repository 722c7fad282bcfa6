/** Runs in a machine's network namespace: does what it is told on standard input, a JSON line each, and answers with a JSON line. */
import { createSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'

export type Order =
  /** Answers true once it listens; each connection is greeted with its own source address, each datagram sent back. */
  | { does: 'serve'; protocol: 'tcp' | 'udp'; port: number }
  /** The greeting, or null when there was none in time (TCP: or the connection was refused). */
  | { does: 'ask'; protocol: 'tcp' | 'udp'; address: string; port: number; from?: number; timeoutMs: number }

const work: Record<string, (order: Order) => Promise<unknown>> = {
  serve: (order) => (order.protocol === 'tcp' ? serveTcp(order.port) : serveUdp(order.port)),
  ask: (order) => (order.does !== 'ask' ? Promise.reject(new Error(order.does)) : order.protocol === 'tcp' ? askTcp(order) : askUdp(order)),
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, order } = JSON.parse(line) as { id: number; order: Order }
  const answer = (result: unknown) => process.stdout.write(`${JSON.stringify({ id, result })}\n`)
  work[order.does]!(order).then(answer, (error: Error) => answer({ error: error.message }))
}
process.exit(0)

function serveTcp(port: number): Promise<true> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end(socket.remoteAddress ?? '')
    })
    server.on('error', reject)
    server.listen(port, '::', () => resolve(true))
  })
}

function serveUdp(port: number): Promise<true> {
  return new Promise((resolve) => {
    const socket = createSocket('udp6')
    socket.on('message', (message, { address, port: to }) => socket.send(message, to, address))
    socket.bind(port, '::', () => resolve(true))
  })
}

function askTcp({ address, port, from, timeoutMs }: Order & { does: 'ask' }): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, ...(from === undefined ? {} : { localPort: from }) })
    let text = ''
    const end = (result: string | null) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => end(null), timeoutMs)
    socket.on('data', (data) => {
      text += data
    })
    socket.on('end', () => end(text))
    socket.on('error', () => end(null))
  })
}

function askUdp({ address, port, from, timeoutMs }: Order & { does: 'ask' }): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    const end = (result: string | null) => {
      clearTimeout(timer)
      socket.close()
      resolve(result)
    }
    const timer = setTimeout(() => end(null), timeoutMs)
    socket.on('message', (message) => end(message.toString()))
    socket.on('error', () => end(null))
    socket.bind(from ?? 0, () => socket.send('hello', port, address))
  })
}
