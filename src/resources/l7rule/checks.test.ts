import assert from 'node:assert/strict'
import test from 'node:test'
import { checkL7RuleData } from './checks.ts'

type Data = Parameters<typeof checkL7RuleData>[0]

const aRule = (data: Partial<Data>): Data => ({ type: 'PATH', compare_type: 'EQUAL_TO', key: null, value: '/a', ...data })

function refused(data: Partial<Data>, text: string): void {
  assert.throws(() => checkL7RuleData(aRule(data)), { message: `Error parsing L7Rule: ${text}` })
}

function accepted(data: Partial<Data>): void {
  assert.doesNotThrow(() => checkL7RuleData(aRule(data)))
}

test('a rule needs a value', () => {
  refused({ value: '' }, 'Invalid L7 Rule: L7 rule type requires a value')
  refused({ value: null }, 'Invalid L7 Rule: L7 rule type requires a value')
})

test('a header and a cookie need a key that is a token', () => {
  refused({ type: 'HEADER' }, 'Invalid L7 Rule: L7 rule type requires a key')
  refused({ type: 'COOKIE', key: '' }, 'Invalid L7 Rule: L7 rule type requires a key')
  refused({ type: 'HEADER', key: 'a b' }, 'Invalid characters in key')
  refused({ type: 'COOKIE', key: 'a\n' }, 'Invalid characters in key')
  accepted({ type: 'HEADER', key: 'X-Some_Header' })
})

test('values keep to the characters of what they are compared with', () => {
  refused({ type: 'HEADER', key: 'x', value: 'a b' }, 'Invalid characters in header value')
  accepted({ type: 'HEADER', key: 'x', value: '"a b"' })
  refused({ type: 'COOKIE', key: 'x', value: 'a;b' }, 'Invalid characters in cookie value')
  refused({ type: 'HOST_NAME', value: 'a\tb' }, 'Invalid characters in comparison value')
  refused({ type: 'PATH', value: '/a\n' }, 'Invalid characters in comparison value')
  refused({ type: 'FILE_TYPE', value: 'j pg' }, 'Invalid characters in comparison value')
})

test('file types are compared by EQUAL_TO or REGEX alone', () => {
  refused({ type: 'FILE_TYPE', compare_type: 'CONTAINS', value: 'jpg' }, 'Invalid L7 Rule: invalid comparison type for rule type')
  accepted({ type: 'FILE_TYPE', compare_type: 'REGEX', value: 'jpe?g' })
})

test('a regular expression must be one, as PCRE and Python spell it', () => {
  assert.throws(() => checkL7RuleData(aRule({ compare_type: 'REGEX', value: '(' })), {
    message: /^Error parsing L7Rule: Unable to parse regular expression: /,
  })
  for (const value of ['^/(api|www)/', '(?i)^/a$', '(?P<name>a)(?P=name)', '(?i:a)b', '(?>a+)b', '(?#a comment)a', '\\Aa\\Z']) {
    accepted({ compare_type: 'REGEX', value })
  }
})

test('the rules on client certificates', () => {
  refused(
    { type: 'SSL_CONN_HAS_CERT', key: 'k', value: 'True' },
    'Invalid L7 Rule: L7rule type SSL_CONN_HAS_CERT does not use the "key" field.',
  )
  refused({ type: 'SSL_CONN_HAS_CERT', value: 'no' }, 'Invalid L7 Rule: L7rule value no is not a boolean True string.')
  refused(
    { type: 'SSL_CONN_HAS_CERT', compare_type: 'REGEX', value: 'true' },
    'Invalid L7 Rule: L7rule type SSL_CONN_HAS_CERT only supports the EQUAL_TO compare type.',
  )
  refused({ type: 'SSL_VERIFY_RESULT', value: '-1' }, 'Invalid L7 Rule: L7rule type SSL_VERIFY_RESULT needs a int value, which is >= 0')
  refused({ type: 'SSL_DN_FIELD', value: 'x' }, 'Invalid L7 Rule: L7rule type SSL_DN_FIELD needs to specify a key and a value.')
  refused({ type: 'SSL_DN_FIELD', key: '1', value: 'x' }, 'Invalid L7 Rule: Invalid L7rule distinguished name field.')
  accepted({ type: 'SSL_DN_FIELD', key: 'O', value: 'x' })
  accepted({ type: 'SSL_VERIFY_RESULT', value: '0' })
})
