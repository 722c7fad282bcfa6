/**
 * Metrics for users: HAProxy's own exporter on a loopback address, and the way to the agent's translator of its names, which asks it. Names and
 * addresses are upstream's, whose agent finds them too; what is called so is left out of metrics and statistics.
 */
import type { Section } from './haproxy-words.ts'

/** What listeners of PROMETHEUS send their requests to. */
export const PROMETHEUS_BACKEND = 'prometheus-exporter-internal'

export const prometheusSections: Section[] = [
  {
    head: ['frontend', 'prometheus-exporter-internal-endpoint'],
    lines: [
      ['bind', '127.0.0.1:9101'],
      ['mode', 'http'],
      ['no', 'log'],
      ['http-request', 'use-service', 'prometheus-exporter', 'if', '{', 'path', '/metrics', '}'],
      ['http-request', 'reject'],
      ['timeout', 'http-request', '5s'],
      ['timeout', 'client', '5s'],
    ],
  },
  {
    head: ['backend', PROMETHEUS_BACKEND],
    lines: [
      ['mode', 'http'],
      ['no', 'log'],
      ['balance', 'first'],
      ['timeout', 'connect', '5s'],
      ['timeout', 'server', '5s'],
      ['server', 'prometheus-internal', '127.0.0.1:9102'],
    ],
  },
]
