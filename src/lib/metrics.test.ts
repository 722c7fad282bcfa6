import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counter, gauge, histogram, Metric } from './metrics.ts'

test("metrics are shown in Prometheus's text format", () => {
  const requests = new Metric('ottavia_requests_total', counter('Requests \\ answers\nso far.', ['route', 'status']))
  assert.equal(requests.expose(), '')
  requests.add({ route: '/a"b\\c\n', status: '200' })
  requests.add({ status: '200', route: '/a"b\\c\n' }, 2)
  requests.add({ route: '/', status: '404' })
  assert.equal(
    requests.expose(),
    [
      '# HELP ottavia_requests_total Requests \\\\ answers\\nso far.',
      '# TYPE ottavia_requests_total counter',
      'ottavia_requests_total{route="/a\\"b\\\\c\\n",status="200"} 3',
      'ottavia_requests_total{route="/",status="404"} 1',
      '',
    ].join('\n'),
  )
})

test('a counter without labels is there from the start, at zero', () => {
  assert.match(new Metric('c_total', counter('C.')).expose(), /^c_total 0$/m)
})

test('the buckets of a histogram hold everything below their bound', () => {
  const seconds = new Metric('s_seconds', histogram('S.', [0.1, 1], ['flow']))
  for (const value of [0.1, 0.1, 0.5, 7]) seconds.observe({ flow: 'x' }, value)
  assert.deepEqual(seconds.expose().split('\n').slice(2), [
    's_seconds_bucket{flow="x",le="0.1"} 2',
    's_seconds_bucket{flow="x",le="1"} 3',
    's_seconds_bucket{flow="x",le="+Inf"} 4',
    's_seconds_sum{flow="x"} 7.7',
    's_seconds_count{flow="x"} 4',
    '',
  ])
})

test('a gauge shows what was set last, and nothing once it is cleared', () => {
  const running = new Metric('running', gauge('R.'))
  running.set({}, 3)
  running.set({}, 2)
  assert.match(running.expose(), /^running 2$/m)
  running.clear()
  assert.equal(running.expose(), '')
})

test('however many label values come, a metric stays bounded', () => {
  const many = new Metric('many_total', counter('M.', ['what']))
  for (let i = 0; i < 5_000; i++) many.add({ what: String(i) })
  const lines = many.expose().trim().split('\n').slice(2)
  assert.equal(lines.length, 2_001)
  assert.equal(lines.at(-1), 'many_total{what="other"} 3000')
})
