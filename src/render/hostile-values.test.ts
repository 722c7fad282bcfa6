/**
 * No field of any object can add a line or a word to a configuration. Hostile values are drawn for every string field; what is rendered is read back by a
 * tokenizer of this file's own and compared, word by word, with what harmless values give in the same places. Where the API would take the
 * values, HAProxy must take the configuration, 500 draws to a file. `OTTAVIA_TEST_HOSTILE_VALUES=100000` draws more than `npm test` does.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { acceptedByApi, drawsOfApi, drawsOfRows, expectedOf, type Fields, harmless, treeOf } from '../../test/support/hostile-values.ts'
import { VisibleError } from '../flow/define.ts'
import { renderCrtList, sniCertificateOf } from './certificate-files.ts'
import { checkHaproxy, complaintsOfKeepalived, haproxyIsInstalled, keepalivedIsInstalled } from './golden/check.ts'
import { aTree, defaultConfig } from './golden/pairs.ts'
import { haproxyOptions, renderHaproxy } from './haproxy.ts'
import { printSections } from './haproxy-words.ts'
import { keepalivedOptions, renderKeepalived } from './keepalived.ts'
import { renderLvs } from './lvs.ts'

const DRAWS = Number(process.env.OTTAVIA_TEST_HOSTILE_VALUES ?? 1_000)
const DRAWS_IN_A_FILE = 500
const SEED = Number(process.env.OTTAVIA_TEST_SEED ?? 20_261_126)

const directory = mkdtempSync(join(tmpdir(), 'ottavia-hostile-'))
after(() => rmSync(directory, { recursive: true }))
const options = haproxyOptions(defaultConfig)

/** HAProxy's reading of a line, as its manual tells it (2.2, "Quoting and escaping"); null where a quote stays open or something else means more than itself. */
function wordsOf(line: string): string[] | null {
  const words: string[] = []
  let word: string | null = null
  let isQuoted = false
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (character === "'") {
      isQuoted = !isQuoted
      word ??= ''
    } else if (isQuoted) {
      word += character
    } else if (character === '\\') {
      word = (word ?? '') + (line[++i] ?? '')
    } else if (character === ' ') {
      if (word !== null) words.push(word)
      word = null
    } else if ('#"\t$'.includes(character)) {
      return null
    } else {
      word = (word ?? '') + character
    }
  }
  if (isQuoted) return null
  return word === null ? words : [...words, word]
}

const readBack = (configuration: string) =>
  configuration
    .split('\n')
    .slice(1)
    .map((line) => wordsOf(line.trimStart()))

/** Every word is the one that a harmless value gives, or, where that has a mark, what the mark's field may become. */
function assertAsAskedFor(configuration: string, withMarks: string, fields: Fields[], why: string): void {
  const lines = readBack(configuration)
  const marked = readBack(withMarks)
  assert.equal(lines.length, marked.length, why)
  for (const [i, words] of lines.entries()) {
    assert.ok(words !== null && words.length === marked[i]!.length, `${why}: line ${i}: ${JSON.stringify(words)}`)
    for (const [j, word] of words.entries()) {
      const possible = expectedOf(marked[i]![j]!, fields)
      assert.ok(possible.includes(word), `${why}: ${JSON.stringify(word)} is none of ${JSON.stringify(possible)}`)
    }
  }
}

test('every word is read back as it was, or refused for a control character', () => {
  const nasty = fc.string({ unit: fc.constantFrom(...'\'"\\ \t#$%{}[]()!;|&<>-\n\r\0,=~é🦊abf'), maxLength: 20 })
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 4 }), (words) => {
      let printed: string
      try {
        printed = printSections([{ head: words, lines: [] }])
      } catch (error) {
        assert.ok(error instanceof VisibleError)
        assert.match(words.join(''), /[\r\n\0]/)
        return
      }
      assert.deepEqual(wordsOf(printed.slice(0, -1)), words)
      assert.ok(printed.endsWith('\n') && !printed.slice(0, -1).includes('\n'))
    }),
    { numRuns: DRAWS },
  )
})

test('whatever stands in the rows, a configuration has the lines and words that were asked for, or there is none', () => {
  let rendered = 0
  for (const [i, fields] of fc.sample(drawsOfRows, { numRuns: DRAWS, seed: SEED }).entries()) {
    const why = `draw ${i} of seed ${SEED}`
    try {
      const configuration = renderHaproxy(treeOf([fields]), options)!
      assertAsAskedFor(configuration, renderHaproxy(treeOf([fields], true), options)!, [fields], why)
      rendered++
    } catch (error) {
      if (!(error instanceof VisibleError)) throw error
    }
  }
  assert.ok(rendered > DRAWS / 20, `only ${rendered} were rendered`)
})

test('HAProxy takes whatever the API takes, and reads what was asked for', {
  skip: haproxyIsInstalled ? false : 'haproxy is not installed',
}, () => {
  const hostile = new Map<string, number>()
  for (let drawn = 0; drawn < DRAWS; drawn += DRAWS_IN_A_FILE) {
    const seed = SEED + drawn
    const draws = fc.sample(drawsOfApi, { numRuns: DRAWS_IN_A_FILE, seed }).map(acceptedByApi)
    for (const fields of draws)
      for (const [name, value] of Object.entries(fields))
        if (value !== harmless[name as keyof Fields]) hostile.set(name, (hostile.get(name) ?? 0) + 1)
    const configuration = renderHaproxy(treeOf(draws), options)!
    assertAsAskedFor(configuration, renderHaproxy(treeOf(draws, true), options)!, draws, `seed ${seed}`)
    assert.equal(checkHaproxy(configuration, directory), '', `seed ${seed}`)
  }
  // The test would be of no use if the API refused what is drawn.
  for (const name of Object.keys(harmless)) assert.ok((hostile.get(name) ?? 0) > DRAWS / 10, `${name}: ${hostile.get(name)}`)
})

test('keepalived is given the words and lines that were asked for', {
  skip: keepalivedIsInstalled ? false : 'keepalived is not installed',
}, () => {
  const udp = ({ name, project, path, domain, granularity }: Fields) =>
    aTree({
      name,
      description: name,
      project_id: project,
      listeners: [{ name, description: name, tags: [name], protocol: 'UDP', default_pool_id: 'pool' }],
      pools: [
        {
          id: 'pool',
          name,
          protocol: 'UDP',
          session_persistence: { type: 'SOURCE_IP', cookie_name: null, persistence_timeout: 5, persistence_granularity: granularity },
          members: [{ name, tags: [name] }],
          health_monitor: { name, type: 'HTTP', url_path: path, http_version: 1.1, domain_name: domain },
        },
      ],
      amphorae: [
        { role: 'MASTER', vrrp_ip: '10.0.0.11', vrrp_id: 1, vrrp_priority: 100 },
        { role: 'BACKUP', vrrp_ip: '10.0.0.12', vrrp_id: 1, vrrp_priority: 90 },
      ],
    })
  const shapeOf = (text: string) => text.split('\n').map((line) => line.trim().split(/\s+/).length)
  const lvsOf = (fields: Fields) => renderLvs(udp(fields), udp(fields).listeners[0]!)
  const vrrpOf = (fields: Fields) => {
    const loadBalancer = udp(fields)
    const vips = [{ ip_address: '10.0.0.10', subnet_cidr: '10.0.0.0/24', gateway: null, host_routes: [] }]
    return renderKeepalived(loadBalancer, loadBalancer.amphorae[0]!.id, vips, keepalivedOptions(defaultConfig, []))
  }
  for (let drawn = 0; drawn < DRAWS; drawn += DRAWS_IN_A_FILE) {
    const taken: string[] = []
    for (const fields of fc.sample(drawsOfRows, { numRuns: DRAWS_IN_A_FILE, seed: SEED + drawn })) {
      assert.equal(vrrpOf(fields), vrrpOf(harmless))
      try {
        const text = lvsOf(fields)
        assert.deepEqual(shapeOf(text), shapeOf(lvsOf(harmless)), text)
        taken.push(text)
      } catch (error) {
        if (!(error instanceof VisibleError)) throw error
      }
    }
    const ofApi = fc.sample(drawsOfApi, { numRuns: DRAWS_IN_A_FILE, seed: SEED + drawn }).map((fields) => lvsOf(acceptedByApi(fields)))
    assert.deepEqual(complaintsOfKeepalived([...taken, ...ofApi].join('\n'), directory), [])
  }
})

test('a crt-list has one path in each line', () => {
  for (const { reference } of fc.sample(drawsOfRows, { numRuns: DRAWS, seed: SEED })) {
    const list = renderCrtList('11111111-0000-4000-8000-000000000000', [sniCertificateOf({ id: 'listener' }, reference)])
    assert.match(list, /^\/var\/lib\/octavia\/certs\/11111111-0000-4000-8000-000000000000\/listener\.sni-[0-9a-f-]{36}\.pem\n$/)
  }
})

test("a rule's value that looks like a flag is only a value", () => {
  const configuration = renderHaproxy(treeOf([{ ...harmless, header: '-f' }]), options)!
  assert.match(configuration, / -m str -- -f\n/)
})
