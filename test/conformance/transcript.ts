/** Reads what was recorded on the wire from a real octavia-api: requests and its answers, in their order. */

export interface Exchange {
  method: string
  path: string
  /** Undefined where none was sent, or where the recording has only its beginning. */
  body: unknown
  /** The recording cut the body off, so it cannot be sent again. */
  isCut: boolean
  status: number
  contentType: string | null
  /** Parsed where it is JSON and whole, else text. */
  answer: unknown
  answerIsCut: boolean
}

export function parseTranscript(text: string): Exchange[] {
  return text
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const [head = '', result = '', ...rest] = part.split('\n')
      const [, method = '', path = '', sent = ''] = /^(\S+) (\S+) ?(.*)$/.exec(head) ?? []
      const [, status = '', contentType = ''] = /^-> (\d+) CT=(\S+)/.exec(result) ?? []
      const body = parse(sent)
      const answer = rest.join('\n')
      const parsed = contentType.startsWith('application/json') ? parse(answer) : { value: answer, isCut: false }
      return {
        method,
        path,
        body: body.value,
        isCut: body.isCut,
        status: Number(status),
        contentType: contentType === 'None' ? null : contentType.replace(/;$/, ''),
        answer: parsed.value,
        answerIsCut: parsed.isCut,
      }
    })
}

function parse(text: string): { value: unknown; isCut: boolean } {
  if (text.trim() === '') return { value: undefined, isCut: false }
  try {
    return { value: JSON.parse(text), isCut: false }
  } catch {
    return { value: undefined, isCut: true }
  }
}
