/** `ottavia status`: what is wrong, in words, and what to type. Ends with 0 when all is well, 1 with warnings, 2 with errors, as monitoring plugins do. */
import type { Command } from 'commander'
import type { WithInstallation } from '../main/installation.ts'
import type { Status } from '../status/status.ts'

export function addStatusCommand(program: Command, withInstallation: WithInstallation): void {
  program
    .command('status')
    .description('what is wrong, in words, and what to type; ends with 0, 1 (warnings) or 2 (errors)')
    .option('--state <directory>', 'the state directory')
    .option('--json', 'for programs')
    .action(({ state, json }: { state?: string; json?: true }) =>
      withInstallation(state, async ({ config, db }) => {
        const { lookForTroubles } = await import('../status/status.ts')
        const status = await lookForTroubles({ config, db, nowMs: Date.now() })
        console.log(json ? JSON.stringify(status, null, 2) : textOf(status))
        process.exitCode = exitCodeOf(status)
      }),
    )
}

export function textOf({ summary, troubles }: Status): string {
  const lines = troubles.flatMap(({ level, says, type }) => [
    `${level.toUpperCase().padEnd(7)} ${says.replaceAll('\n', ' ')}`,
    ...(type === null ? [] : [`        -> ${type}`]),
  ])
  return [...(summary === null ? [] : [summary]), ...(lines.length === 0 ? ['nothing is wrong'] : lines)].join('\n')
}

export function exitCodeOf({ troubles }: Status): 0 | 1 | 2 {
  if (troubles.some(({ level }) => level === 'error')) return 2
  return troubles.length > 0 ? 1 : 0
}
