/** How a process comes to the embedded cloud: it holds it, works beside the one that does, or stands by to take it over. */
import type { Config } from '../config/config.ts'
import { driversElsewhere, serveDrivers } from '../controllers/driver-socket.ts'
import { type Db, isPostgresql } from '../db/connection.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Role } from './configuration.ts'
import { type EmbeddedCloud, openEmbeddedCloud } from './embedded-cloud.ts'
import { EmbeddedPlace, hasEmbeddedParts } from './embedded-place.ts'
import { whilePreparing } from './state.ts'

export interface Running {
  stop(): Promise<void>
}

export interface JoinOptions {
  db: Db
  config: Config
  roles: ReadonlySet<Role>
  clock: Clock
  log: Log
  /** This process. */
  id: string
  /** What is started is added, newest first. */
  started: Running[]
  print(line: string): void
  /** Ends the process: what it was to do another does now, or nobody can. */
  fail(why: string): void
}

/** The embedded cloud as its one holder, or beside it; who may hold it stands by until then. */
export async function joinCloud(options: JoinOptions): Promise<{ cloud: EmbeddedCloud; holdsIt: boolean }> {
  const { config, roles, id, started, print } = options
  if (!hasEmbeddedParts(config)) {
    return { cloud: await whilePreparing(config.stateDirectory, () => openEmbeddedCloud({ ...options, elsewhere: null })), holdsIt: true }
  }
  const { stateDirectory } = config
  const place = await whilePreparing(stateDirectory, async () => new EmbeddedPlace(options, { stateDirectory, holder: id }))
  if (roles.has('embedded') && (await place.tryToTake())) {
    started.unshift({ stop: () => place.giveBack() })
    const cloud = await holdCloud(options, place, started)
    return { cloud, holdsIt: true }
  }
  const waiting = new AbortController()
  if (roles.has('embedded')) started.unshift(standBy(options, place))
  started.unshift({ stop: async () => waiting.abort() })
  const elsewhere = driversElsewhere(config.stateDirectory)
  started.unshift({ stop: async () => elsewhere.close() })
  print('another process holds the embedded cloud, or soon does; this one works beside it')
  await elsewhere.answers(waiting.signal)
  return { cloud: await openEmbeddedCloud({ ...options, elsewhere }), holdsIt: false }
}

/** What the place asks for once it is ours. What it starts is added to `running`, newest first. */
async function holdCloud(options: JoinOptions, place: EmbeddedPlace, running: Running[]): Promise<EmbeddedCloud> {
  const { config, db, fail } = options
  place.keep(() => fail('another process has taken over the embedded cloud, since this one stood still'))
  const cloud = await openEmbeddedCloud({ ...options, elsewhere: null })
  running.unshift(await cloud.startServices())
  if (isPostgresql(db)) {
    const { compute_driver, network_driver } = config.controller_worker
    running.unshift(
      await serveDrivers(config.stateDirectory, {
        ...(network_driver === 'network_embedded_driver' ? { network: await cloud.network() } : {}),
        ...(compute_driver === 'compute_embedded_driver' ? { compute: await cloud.compute() } : {}),
      }),
    )
  }
  return cloud
}

/** Waits for the place, and takes it. */
function standBy(options: JoinOptions, place: EmbeddedPlace): Running {
  const ending = new AbortController()
  const running: Running[] = []
  const standing = place
    .take(ending.signal)
    .then(async () => {
      running.unshift({ stop: () => place.giveBack() })
      await holdCloud(options, place, running)
      options.log.info('this process holds the embedded cloud now')
    })
    .catch((error: Error) => {
      if (!ending.signal.aborted) options.fail(`the embedded cloud could not be taken over: ${error.message}`)
    })
  return {
    async stop() {
      ending.abort()
      await standing
      for (const service of running) await service.stop()
    },
  }
}
