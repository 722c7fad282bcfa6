import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutKeepAlive } from './haproxy-file.ts'

test('frontends of HTTP close after each answer, whatever was said of them before; others are as they were', () => {
  const configuration = `global
    maxconn 10

defaults
    option http-keep-alive

frontend web
    mode http
    option http-keep-alive
    bind 10.0.0.1:80

frontend raw
    mode tcp
    bind 10.0.0.1:81

backend web
    mode http
    server a 10.0.0.2:80
`
  const [global, defaults, web, raw, backend] = withoutKeepAlive(configuration).split('\n\n')
  assert.deepEqual(
    [global, defaults, raw, backend],
    [0, 1, 3, 4].map((n) => configuration.split('\n\n')[n]),
  )
  assert.equal(web?.split('\n').at(-1), '    option httpclose')
})
