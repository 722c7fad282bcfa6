import { invalidL7Rule } from '../../api/faults.ts'
import type { L7RuleRow } from '../../db/tables.ts'

/** As many rules a policy may have. */
export const maxRulesPerPolicy = 50

type RuleData = { [K in 'type' | 'compare_type' | 'key' | 'value']: L7RuleRow[K] | null }

// Upstream's character sets, ranges included: `+-.` is a range there (octavia/common/constants.py).
const headerName = /^[a-zA-Z0-9!#$%&'*+-.^_`|~]+$/
const cookieValue = /^[a-zA-Z0-9!#$%&'()*+-./:<=>?@[\]^_`{|}~]+$/
const headerValue = /^[a-zA-Z0-9!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~\\]+$/
const quotedHeaderValue = /^"[a-zA-Z0-9 \t!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~\\]*"$/
const distinguishedNameField = /^[a-zA-Z][A-Za-z0-9-]*$/

/**
 * Whether type, comparison, key and value of a rule go together, in upstream's order (`l7rule_data` in `octavia/common/validate.py`).
 * Throws the fault 400 `Error parsing L7Rule: ...`.
 */
export function checkL7RuleData({ type, compare_type, key, value }: RuleData): void {
  if (!value) throw invalidL7Rule('Invalid L7 Rule: L7 rule type requires a value')
  switch (type) {
    case 'HEADER':
      checkKey(key)
      checkComparison(compare_type, value, isHeaderValue, 'header value')
      break
    case 'COOKIE':
      checkKey(key)
      checkComparison(compare_type, value, (text) => cookieValue.test(text), 'cookie value')
      break
    case 'HOST_NAME':
    case 'PATH':
      checkComparison(compare_type, value, isHeaderValue, 'comparison value')
      break
    case 'FILE_TYPE':
      if (compare_type !== 'REGEX' && compare_type !== 'EQUAL_TO') throw invalidComparison()
      checkComparison(compare_type, value, isHeaderValue, 'comparison value')
      break
    case 'SSL_CONN_HAS_CERT':
      if (key) throw keyNotUsed(type)
      if (value.toLowerCase() !== 'true') throw invalidL7Rule(`Invalid L7 Rule: L7rule value ${value} is not a boolean True string.`)
      checkEqualTo(type, compare_type)
      break
    case 'SSL_VERIFY_RESULT':
      if (key) throw keyNotUsed(type)
      if (!/^[0-9]+$/.test(value)) throw invalidL7Rule(`Invalid L7 Rule: L7rule type ${type} needs a int value, which is >= 0`)
      checkEqualTo(type, compare_type)
      break
    case 'SSL_DN_FIELD':
      if (compare_type === 'REGEX') checkRegularExpression(value)
      if (!key) throw invalidL7Rule(`Invalid L7 Rule: L7rule type ${type} needs to specify a key and a value.`)
      if (!distinguishedNameField.test(key)) throw invalidL7Rule('Invalid L7 Rule: Invalid L7rule distinguished name field.')
      break
    case null:
      throw invalidL7Rule('Invalid L7 Rule: invalid rule type')
  }
}

function checkKey(key: string | null): void {
  if (!key) throw invalidL7Rule('Invalid L7 Rule: L7 rule type requires a key')
  if (!headerName.test(key)) throw invalidCharacters('key')
}

function checkComparison(compare_type: RuleData['compare_type'], value: string, isValid: (value: string) => boolean, what: string): void {
  if (compare_type === null) throw invalidComparison()
  if (compare_type === 'REGEX') checkRegularExpression(value)
  else if (!isValid(value)) throw invalidCharacters(what)
}

function checkEqualTo(type: string, compare_type: RuleData['compare_type']): void {
  if (compare_type !== 'EQUAL_TO') throw invalidL7Rule(`Invalid L7 Rule: L7rule type ${type} only supports the EQUAL_TO compare type.`)
}

function isHeaderValue(value: string): boolean {
  return headerValue.test(value) || quotedHeaderValue.test(value)
}

/**
 * HAProxy reads PCRE, upstream checks with Python's `re`; what both know and JavaScript spells otherwise is respelled before the check:
 * named groups, flags within the expression, comments and atomic groups.
 */
function checkRegularExpression(value: string): void {
  const respelled = value
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\(\?P=(\w+)\)/g, '\\k<$1>')
    .replaceAll(/\(\?[aiLmsux]+\)/g, '')
    .replaceAll(/\(\?#[^)]*\)/g, '')
    .replaceAll(/\(\?(?:[aiLmsux]*(?:-[imsx]+)?:|>)/g, '(?:')
  try {
    new RegExp(respelled)
  } catch (error) {
    throw invalidL7Rule(`Unable to parse regular expression: ${(error as Error).message}`)
  }
}

const keyNotUsed = (type: string) => invalidL7Rule(`Invalid L7 Rule: L7rule type ${type} does not use the "key" field.`)
const invalidCharacters = (what: string) => invalidL7Rule(`Invalid characters in ${what}`)
const invalidComparison = () => invalidL7Rule('Invalid L7 Rule: invalid comparison type for rule type')
