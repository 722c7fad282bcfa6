/** `ottavia db show|upgrade`: the schema of the database, and which programs can use it. */
import type { Command } from 'commander'
import { migrate, schemaState } from '../db/migrate.ts'
import type { WithInstallation } from '../main/installation.ts'

export function addDbCommands(program: Command, withInstallation: WithInstallation): void {
  const db = program.command('db').description("the database's schema")
  const option = ['--state <directory>', 'the state directory'] as const

  db.command('show')
    .description('what has been done to it, and what this program would do')
    .option(...option)
    .action((options: { state?: string }) =>
      withInstallation(options.state, async (installation) => {
        const { done, missing, unknown, needed } = await schemaState(installation.db)
        console.log(`done: ${done.at(-1) ?? 'nothing'} and all before it`)
        console.log(`to be done by this program: ${missing.join(', ') || 'nothing'}`)
        if (unknown.length > 0) console.log(`done by a newer program: ${unknown.join(', ')}`)
        if (needed !== null) console.log(`programs that do not know ${needed} cannot use it`)
      }),
    )

  db.command('upgrade')
    .description('brings it up to date, as the first process of a new version does when it starts')
    .option(...option)
    .action((options: { state?: string }) =>
      withInstallation(options.state, async (installation) => {
        const { missing } = await schemaState(installation.db)
        await migrate(installation.db)
        console.log(missing.length === 0 ? 'nothing to do' : `done: ${missing.join(', ')}`)
      }),
    )
}
