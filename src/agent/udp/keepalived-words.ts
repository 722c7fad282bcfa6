/** Reads keepalived's format into statements, without knowing what they mean (keepalived.conf(5), as far as controllers use it). */

export interface Statement {
  /** Empty for a comment. */
  words: string[]
  /** The statements between its braces; null where it has none. */
  body: Statement[] | null
  /** The text after `#` or `!`. */
  comment: string | null
}

/** A file that cannot be read; the message says what is wrong and in which line. */
export class UnreadableConfiguration extends Error {}

const DEEPEST = 8

export function parseStatements(text: string): Statement[] {
  const top: Statement[] = []
  const open: Statement[][] = [top]
  text.split('\n').forEach((line, index) => {
    const fail = (what: string): never => {
      throw new UnreadableConfiguration(`line ${index + 1}: ${what}`)
    }
    let words: string[] = []
    const end = () => {
      if (words.length > 0) open.at(-1)!.push({ words, body: null, comment: null })
      words = []
    }
    for (const token of tokensOf(line)) {
      if (token.kind === 'open quote') fail('a quotation mark is not closed')
      else if (token.kind === 'word') words.push(token.text)
      else if (token.kind === 'comment') {
        end()
        open.at(-1)!.push({ words: [], body: null, comment: token.text.trim() })
      } else if (token.text === '{') {
        if (words.length === 0) fail('a block has no name')
        if (open.length > DEEPEST) fail('blocks are too deep')
        const body: Statement[] = []
        open.at(-1)!.push({ words, body, comment: null })
        open.push(body)
        words = []
      } else {
        end()
        if (open.length === 1) fail('a brace is closed that was not opened')
        open.pop()
      }
    }
    end()
  })
  if (open.length > 1) throw new UnreadableConfiguration('a brace is not closed')
  return top
}

type Token = { kind: 'word' | 'brace' | 'comment' | 'open quote'; text: string }

/** Comments begin with `#` or `!` where a word could; quotation marks hold spaces together. */
function* tokensOf(line: string): Generator<Token> {
  const pattern = /\s*(?:[#!](?<comment>.*)|"(?<quoted>[^"]*)"|(?<open>".*)|(?<brace>[{}])|(?<word>[^\s"{}]+))/y
  while (pattern.lastIndex < line.trimEnd().length) {
    const { comment, quoted, open, brace, word } = pattern.exec(line)!.groups!
    if (comment !== undefined) yield { kind: 'comment', text: comment }
    else if (open !== undefined) yield { kind: 'open quote', text: open }
    else if (brace !== undefined) yield { kind: 'brace', text: brace }
    else yield { kind: 'word', text: quoted ?? word! }
  }
}
