/** `ottavia orphans list`: machines, ports and security groups that no row knows, as housekeeping found them. */
import { type Command, Option } from 'commander'
import { timestamp } from '../lib/clock.ts'
import type { WithInstallation } from '../main/installation.ts'
import { formatTable } from './table.ts'

const MAX_LISTED = 1_000

export function addOrphanCommands(program: Command, withInstallation: WithInstallation): void {
  program
    .command('orphans')
    .description('machines, ports, security groups and server groups that no load balancer and no amphora knows')
    .command('list')
    .description('those that housekeeping found; ours are deleted after [house_keeping] orphan_grace_seconds')
    .addOption(new Option('--state <directory>', 'the state directory'))
    .action(({ state }: { state?: string }) =>
      withInstallation(state, async ({ db, config }) => {
        const rows = await db.selectFrom('orphan').selectAll().orderBy('first_seen_ms').limit(MAX_LISTED).execute()
        const shown = rows.map(({ id, kind, name, made_by, is_ours, first_seen_ms }) => [
          kind,
          id,
          name,
          is_ours ? 'yes' : 'not known',
          made_by,
          timestamp(first_seen_ms),
          deletedAt(is_ours, first_seen_ms, config.house_keeping.orphan_grace_seconds),
        ])
        console.log(formatTable(['kind', 'id', 'name', 'ours', 'made by', 'first seen', 'deleted'], shown))
      }),
    )
}

function deletedAt(is_ours: boolean, first_seen_ms: number, grace_seconds: number): string {
  return is_ours && grace_seconds >= 0 ? `after ${timestamp(first_seen_ms + grace_seconds * 1_000)}` : 'never'
}
