/** What is made from the API's routes and the table of metrics, and committed, so that a review shows what a change does to the outside. */
import { describe } from '../api/openapi.ts'
import type { AnnouncedRoute } from '../api/route.ts'
import { metricTable, shownName } from '../monitoring/metrics.ts'
import { clientSource } from './client.ts'

/** Text by path within the checkout. */
export function generatedFiles(announced: readonly AnnouncedRoute[]): Map<string, string> {
  const document = describe(announced)
  return new Map([
    ['docs/generated/openapi.json', `${JSON.stringify(document, null, 2)}\n`],
    ['docs/generated/metrics.md', metricsPage()],
    ['docs/generated/policies.md', policiesOf(announced)],
    ['src/client/operations.ts', clientSource(document)],
  ])
}

function policiesOf(announced: readonly AnnouncedRoute[]): string {
  const rows = announced.map(
    ({ method, path, policies }) => `| ${method} | \`${path}\` | ${policies.map((name) => `\`${name}\``).join('<br>')} |`,
  )
  return [
    '# Which policies a route asks',
    '',
    'Made by `npm run generate`.',
    '',
    '| method | path | policies |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

function metricsPage(): string {
  const rows = Object.entries(metricTable).map(
    ([name, { kind, labels, help }]) =>
      `| \`${shownName(name)}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  )
  return [
    '# Metrics',
    '',
    'Made by `npm run generate`.',
    '',
    '| name | type | labels | what it says |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}
