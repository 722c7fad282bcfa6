/** What is made from the API's routes and committed, so that a review shows what a change does to the outside. */
import { describe } from '../api/openapi.ts'
import type { AnnouncedRoute } from '../api/route.ts'
import { clientSource } from './client.ts'

/** Text by path within the checkout. */
export function generatedFiles(announced: readonly AnnouncedRoute[]): Map<string, string> {
  const document = describe(announced)
  return new Map([
    ['docs/generated/openapi.json', `${JSON.stringify(document, null, 2)}\n`],
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
