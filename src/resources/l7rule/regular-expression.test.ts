import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { checkHaproxy, haproxyIsInstalled } from '../../render/golden/check.ts'
import { printSections } from '../../render/haproxy-words.ts'
import { problemOfRegularExpression } from './regular-expression.ts'

/** In one file for HAProxy. */
const BATCH = 500
const BATCHES = Number(process.env.OTTAVIA_TEST_HOSTILE_VALUES ?? 1_000) / BATCH

const directory = mkdtempSync(join(tmpdir(), 'ottavia-expressions-'))
after(() => rmSync(directory, { recursive: true }))

test('what Python and PCRE2 have in common is taken', () => {
  const good = [
    '^/(api|www)/[^/]+/?$',
    '(?i)^/a$',
    '(?P<name>a)(?P=name)',
    '(?<name>a)\\k<name>',
    '(?i:a)b(?s-i:c)',
    '(?>a+)b(?#a comment)c',
    '\\Aa\\Z',
    'a{2,3}?b*+c++d{,x}{',
    '(?<=ab|c)d(?<!(?:ef|gh))i(?=j)(?!k)',
    '[]a-z\\d[:alpha:]\\]é-][^]]',
    '\\x41\\0\\012\\t\\.\\-é+',
    '(|a)||()',
    '[a-z]{1000}a{65535}',
  ]
  for (const text of good) assert.equal(problemOfRegularExpression(text), null, text)
})

test('what PCRE2 does not read is told, with its place', () => {
  const bad: [string, string][] = [
    ['(', 'missing closing parenthesis at position 1'],
    ['a)', 'unmatched closing parenthesis at position 1'],
    ['a**', 'nothing to repeat at position 3'],
    ['^*', 'nothing to repeat at position 2'],
    ['(a)\\1', 'groups can be referred to by name only, as (?P<name>...) and (?P=name) at position 5'],
    ['(?P=n)', 'there is no group of this name at position 6'],
    ['(?P<n>a)(?P<n>b)', 'there are two groups of the name n at position 14'],
    ['(?<=a*)b', 'lookbehind needs a fixed length at position 7'],
    ['(?<=(a|bc))d', 'lookbehind needs a fixed length at position 11'],
    ['(?x)a', 'unknown extension of a group at position 2'],
    ['[]', 'missing ] of a set of characters at position 2'],
    ['[z-a]', 'a range is out of order at position 4'],
    ['[a-\\d]', 'a range needs a character at each end at position 5'],
    ['[[:foo:]]', 'unknown class of characters at position 1'],
    ['[:alpha:]', 'named classes stand within [] only at position 1'],
    ['\\u0041', 'unknown escape sequence at position 1'],
    ['\\', 'unknown escape sequence at position 1'],
    ['a{65536}', 'the number of repetitions is too large at position 8'],
    ['a{2,1}', 'the numbers of repetitions are out of order at position 6'],
    ['(?:(?:a{1000}b){1000}){1000}', 'it is too large at position 21'],
  ]
  for (const [text, problem] of bad) assert.equal(problemOfRegularExpression(text), problem, text)
})

const pieces = [
  ...'ab-.^$|()[]{}*+?\\é# "\'%=!<>,109_:/',
  ...['{2}', '{2,}', '{1,3}', '{,3}', '{0}', '{65535}', '{200}', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?>', '(?P<n>', '(?<m>', '(?P=n)'],
  ...[
    '\\k<m>',
    '(?i)',
    '(?s-i:',
    '(?#c)',
    '\\d',
    '\\w',
    '\\b',
    '\\B',
    '\\A',
    '\\Z',
    '\\h',
    '\\V',
    '\\x41',
    '\\x{41}',
    '\\x',
    '\\0',
    '\\012',
  ],
  ...[
    '\\1',
    '\\t',
    '\\c',
    '\\.',
    '\\-',
    '\\]',
    '[^',
    '[a-z]',
    '[a-',
    '[[:alpha:]]',
    '[:',
    '[.',
    '[=',
    '\\é',
    '\\Q',
    '\\E',
    '\\p',
    '\\u',
    'z-a',
  ],
]

test('HAProxy takes every regular expression that is taken here', { skip: haproxyIsInstalled ? false : 'haproxy is not installed' }, () => {
  const expressions = fc
    .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 10 })
    .map((chosen) => chosen.join(''))
    .filter((text) => problemOfRegularExpression(text) === null)
  for (let batch = 0; batch < BATCHES; batch++) {
    const texts = fc.sample(expressions, BATCH)
    const timeouts = ['client', 'server', 'connect'].map((name) => ['timeout', name, '5s'])
    const acls = texts.map((text, i) => ['acl', `a${i}`, 'path', '-m', 'reg', '--', text])
    const configuration = printSections([
      { head: ['defaults'], lines: [['mode', 'http'], ...timeouts] },
      { head: ['frontend', 'f'], lines: [['bind', '127.0.0.1:80'], ...acls] },
    ])
    assert.equal(checkHaproxy(configuration, directory), '')
  }
})
