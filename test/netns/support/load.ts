/** Clients of a VIP that never stop, and an account of every request that failed. */
import { Agent, request } from 'node:http'

export interface Load {
  served: number
  /** What became of requests that were not answered with 200, word for word. */
  lost: string[]
  /** Ends it, and resolves when the last answer is there. */
  stop(): Promise<void>
}

const TIMEOUT_MS = 5_000

/**
 * `clients` of each kind: those that connect for each request, and those that keep their connection. An idle kept connection that is closed under a
 * request may be tried once more (RFC 9110, 9.2.2); nothing else is forgiven.
 */
export function startLoad(url: string, clients = 4): Load {
  const load: Load = { served: 0, lost: [], stop: async () => {} }
  let done = false
  const ask = (agent: Agent | false) =>
    new Promise<'idle connection closed' | undefined>((resolve) => {
      const outgoing = request(url, { agent, timeout: TIMEOUT_MS }, (incoming) => {
        incoming.resume()
        incoming.on('end', () => {
          if (incoming.statusCode === 200) load.served++
          else load.lost.push(`status ${incoming.statusCode}`)
          resolve(undefined)
        })
        incoming.on('error', (error) => {
          load.lost.push(`answer broke off: ${error.message}`)
          resolve(undefined)
        })
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error('timed out')))
      outgoing.on('error', (error) => {
        if (outgoing.reusedSocket && /ECONNRESET|EPIPE|socket hang up/.test(error.message)) return resolve('idle connection closed')
        load.lost.push(error.message)
        resolve(undefined)
      })
      outgoing.end()
    })
  const client = async (agent: Agent | false) => {
    while (!done) if ((await ask(agent)) !== undefined) await ask(false)
  }
  const keeping = Array.from({ length: clients }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
  const running = [...keeping, ...Array.from({ length: clients }, () => false as const)].map(client)
  load.stop = async () => {
    done = true
    await Promise.all(running)
    for (const agent of keeping) agent.destroy()
  }
  return load
}
