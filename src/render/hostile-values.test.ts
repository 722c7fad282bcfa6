/** Whatever a user writes stays one word: HAProxy reads it back as it was, or the renderer refuses it. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { VisibleError } from '../flow/define.ts'
import { checkHaproxy, haproxyIsInstalled } from './golden/check.ts'
import { aTree, defaultConfig } from './golden/pairs.ts'
import { haproxyOptions, renderHaproxy } from './haproxy.ts'
import { printSections } from './haproxy-words.ts'

const directory = mkdtempSync(join(tmpdir(), 'ottavia-hostile-'))
after(() => rmSync(directory, { recursive: true }))

const nasty = fc.string({ unit: fc.constantFrom(...'\'"\\ \t#$%{}[]()!;|&<>-\n\r\0,=~é🦊abf'), maxLength: 20 })

/** HAProxy's own reading of a line, as its manual tells it (2.2, "Quoting and escaping"): null where a quote stays open. */
function wordsOf(line: string): string[] | null {
  const words: string[] = []
  let word: string | null = null
  let quote: string | null = null
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (quote === "'") {
      if (character === "'") quote = null
      else word += character
    } else if (character === "'") {
      quote = "'"
      word ??= ''
    } else if (character === '\\') {
      word = (word ?? '') + (line[++i] ?? '')
    } else if (character === ' ') {
      if (word !== null) words.push(word)
      word = null
    } else if (character === '#' || character === '"' || character === '\t') {
      return null
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote !== null) return null
  return word === null ? words : [...words, word]
}

test('every word is read back as it was, or refused for a control character', () => {
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 4 }), (words) => {
      let printed: string
      try {
        printed = printSections([{ head: words, lines: [] }])
      } catch (error) {
        assert.ok(error instanceof VisibleError)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the reason
        assert.match(words.join(''), /[\x00-\x1f\x7f]/)
        return
      }
      assert.deepEqual(wordsOf(printed.slice(0, -1)), words)
      assert.ok(printed.endsWith('\n') && !printed.slice(0, -1).includes('\n'))
    }),
    { numRuns: 500 },
  )
})

const hostile = fc.record({
  rule: nasty,
  key: nasty,
  cookie: nasty,
  url: nasty,
  path: nasty,
  domain: nasty,
  name: nasty,
  project: nasty,
})

function render(values: {
  rule: string
  key: string
  cookie: string
  url: string
  path: string
  domain: string
  name: string
  project: string
}) {
  const { rule, key, cookie, url, path, domain, name, project } = values
  const tree = aTree({
    name,
    description: name,
    project_id: project,
    listeners: [
      {
        name,
        default_pool_id: 'pool',
        insert_headers: { [name]: 'true', 'X-Forwarded-For': name },
        l7policies: [
          { name, action: 'REDIRECT_TO_URL', redirect_url: `https://example.org/${url}`, rules: [{ type: 'HEADER', key, value: rule }] },
          { name, action: 'REDIRECT_PREFIX', redirect_prefix: `https://example.org${url}`, rules: [{ type: 'COOKIE', key, value: rule }] },
          {
            name,
            action: 'REJECT',
            rules: [
              { type: 'PATH', compare_type: 'EQUAL_TO', value: rule },
              { type: 'FILE_TYPE', compare_type: 'EQUAL_TO', value: rule },
            ],
          },
        ],
      },
    ],
    pools: [
      {
        id: 'pool',
        name,
        session_persistence: { type: 'APP_COOKIE', cookie_name: cookie, persistence_timeout: null, persistence_granularity: null },
        members: [{ name }],
        health_monitor: { name, type: 'HTTP', url_path: `/${path}`, http_version: 1.1, domain_name: domain },
      },
    ],
  })
  try {
    return renderHaproxy(tree, haproxyOptions(defaultConfig))!
  } catch (error) {
    assert.ok(error instanceof VisibleError, String(error))
    return null
  }
}

/** Of each line, how many words it has and which two it begins with. */
const shapeOf = (configuration: string) =>
  configuration.split('\n').map((line) => {
    const words = wordsOf(line.trimStart())
    // The format of logs is one word, which names the project.
    return [words?.length, ...(words?.slice(0, words[0] === 'log-format' ? 1 : 2) ?? [])]
  })

test('no value adds a line or moves a word to another place', () => {
  const harmless = render({ rule: 'r', key: 'k', cookie: 'c', url: 'u', path: 'p', domain: 'd', name: 'n', project: 'x' })!
  fc.assert(
    fc.property(hostile, (values) => {
      const configuration = render(values)
      if (configuration !== null) assert.deepEqual(shapeOf(configuration), shapeOf(harmless))
    }),
    { numRuns: 300 },
  )
})

test('HAProxy accepts what is rendered from hostile values', { skip: haproxyIsInstalled ? false : 'haproxy is not installed' }, () => {
  // Names that have a syntax of their own are legal ones here, so that everything else reaches HAProxy; an empty value is the API's to refuse.
  const legal = fc.string({ unit: fc.constantFrom(...'ab-_.!#$%&*+^`|~'), minLength: 1, maxLength: 10 })
  const printable = nasty.map((text) => `x${text.replaceAll(/[\t\n\r\0]/g, '')}`)
  const values = fc.record({
    rule: printable,
    key: legal,
    cookie: legal,
    url: printable,
    path: printable,
    domain: printable,
    name: nasty,
    project: nasty,
  })
  fc.assert(
    fc.property(values, (values) => {
      const configuration = render(values)
      assert.ok(configuration !== null)
      assert.equal(checkHaproxy(configuration, directory), '', configuration)
    }),
    { numRuns: 12 },
  )
})

test("a rule's value that looks like a flag is only a value", () => {
  const configuration = render({ rule: '-f', key: 'k', cookie: 'c', url: 'u', path: 'p', domain: 'd', name: 'n', project: 'x' })!
  assert.match(configuration, /-m str -- -f\n/)
})
