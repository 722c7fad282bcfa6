/** All migrations by name, which is also their order; a new one is a file and a line. */
import type { Migration } from 'kysely/migration'
import * as initial from './0001-initial.ts'
import * as embeddedNetwork from './0002-embedded-network.ts'
import * as embeddedCompute from './0003-embedded-compute.ts'
import * as embeddedIdentity from './0004-embedded-identity.ts'
import * as embeddedNetworkTags from './0005-embedded-network-tags.ts'
import * as flavorsAndZones from './0006-flavors-and-zones.ts'
import * as events from './0007-events.ts'
import * as listIndexes from './0010-list-indexes.ts'
import * as embeddedSecrets from './0011-embedded-secrets.ts'
import * as tlsCertificates from './0012-tls-certificates.ts'
import * as memberStatistics from './0013-member-statistics.ts'
import * as heartbeatNumbers from './0022-heartbeat-numbers.ts'
import * as amphoraFailover from './0023-amphora-failover.ts'
import * as trust from './0024-trust.ts'
import * as controllers from './0025-controllers.ts'
import * as flowOrigin from './0026-flow-origin.ts'

/**
 * Programs of the version before go on working with the schema after it: a new column has a default or may be null, nothing is renamed, removed or
 * made stricter. What cannot be done so is two migrations, the second in a later version, or one that says so.
 */
export interface OwnMigration extends Migration {
  /** Who does not know this migration cannot work with the schema after it. */
  readonly breaksOlderPrograms?: boolean
}

import * as statisticsOfAmphorae from './0027-statistics-of-amphorae.ts'
import * as orphans from './0028-orphans.ts'
import * as secretUses from './0029-secret-uses.ts'
import * as unfinishedLegs from './0030-unfinished-legs.ts'
import * as agentVersion from './0031-agent-version.ts'

export const migrations: Record<string, OwnMigration> = {
  '0001-initial': initial,
  '0002-embedded-network': embeddedNetwork,
  '0003-embedded-compute': embeddedCompute,
  '0004-embedded-identity': embeddedIdentity,
  '0005-embedded-network-tags': embeddedNetworkTags,
  '0006-flavors-and-zones': flavorsAndZones,
  '0007-events': events,
  '0010-list-indexes': listIndexes,
  '0011-embedded-secrets': embeddedSecrets,
  '0012-tls-certificates': tlsCertificates,
  '0013-member-statistics': memberStatistics,
  '0022-heartbeat-numbers': heartbeatNumbers,
  '0023-amphora-failover': amphoraFailover,
  '0024-trust': trust,
  '0025-controllers': controllers,
  '0026-flow-origin': flowOrigin,
  '0027-statistics-of-amphorae': statisticsOfAmphorae,
  '0028-orphans': orphans,
  '0029-secret-uses': secretUses,
  '0030-unfinished-legs': unfinishedLegs,
  '0031-agent-version': agentVersion,
}

export const newestMigration = Object.keys(migrations).at(-1)!
