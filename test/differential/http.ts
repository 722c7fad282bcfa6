/** One way to ask both servers, so that both see the same bytes. */
import { request as httpRequest } from 'node:http'
import type { Request } from './requests.ts'

const ANSWER_TIMEOUT_MS = 30_000

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** Parsed where it is JSON. */
  body: unknown
}

export function ask(port: number, { method, path, body, headers }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const options = { host: '127.0.0.1', port, method, path, headers: { ...headers, ...length }, agent: false, timeout: ANSWER_TIMEOUT_MS }
    const sent = httpRequest(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode!, headers: response.headers, text, body: parsed(text) })
      })
    })
    sent.on('error', reject)
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer within ${ANSWER_TIMEOUT_MS} ms`)))
    sent.end(body)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
