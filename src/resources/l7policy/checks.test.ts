import assert from 'node:assert/strict'
import test from 'node:test'
import { settleRedirect } from './checks.ts'

const none = { redirect_pool_id: null, redirect_url: null, redirect_prefix: null, redirect_http_code: null }

function refused(asked: Parameters<typeof settleRedirect>[0], text: string): void {
  assert.throws(() => settleRedirect(asked), { message: text })
}

test('an action needs its target', () => {
  refused({ action: 'REDIRECT_TO_URL' }, 'Invalid L7 Policy arguments: redirect_url must not be None')
  refused({ action: 'REDIRECT_TO_POOL' }, 'Invalid L7 Policy arguments: redirect_pool_id or redirect_pool must not be None')
  refused({ action: 'REDIRECT_PREFIX' }, 'Invalid L7 Policy arguments: redirect_prefix must not be None')
  refused({ action: null }, 'Invalid L7 Policy action specified: None')
})

test('a pool and a URL or prefix at once are refused', () => {
  const text = 'Invalid L7 Policy arguments: Cannot specify redirect_pool_id and redirect_url or redirect_prefix at the same time'
  refused({ redirect_pool_id: 'p', redirect_url: 'http://a/' }, text)
  refused({ action: 'REDIRECT_TO_POOL', redirect_pool_id: 'p', redirect_prefix: 'http://a' }, text)
})

test('the target that is given decides the action and clears the others', () => {
  assert.deepEqual(settleRedirect({ redirect_pool_id: 'p' }), { ...none, action: 'REDIRECT_TO_POOL', redirect_pool_id: 'p' })
  assert.deepEqual(settleRedirect({ redirect_url: 'http://a/' }), {
    ...none,
    action: 'REDIRECT_TO_URL',
    redirect_url: 'http://a/',
    redirect_http_code: 302,
  })
  assert.deepEqual(settleRedirect({ redirect_prefix: 'http://a', redirect_http_code: 308 }), {
    ...none,
    action: 'REDIRECT_PREFIX',
    redirect_prefix: 'http://a',
    redirect_http_code: 308,
  })
  assert.deepEqual(settleRedirect({ action: 'REDIRECT_TO_POOL', redirect_pool_id: 'p', redirect_url: 'http://a/' }), {
    ...none,
    action: 'REDIRECT_TO_POOL',
    redirect_pool_id: 'p',
  })
  assert.deepEqual(settleRedirect({ action: 'REJECT', redirect_url: 'http://a/', redirect_pool_id: 'p' }), { ...none, action: 'REJECT' })
})
