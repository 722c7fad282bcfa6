/** Builds a controller from its configuration: database, drivers, services; in the order in which they need each other. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiContext } from '../api/route.ts'
import { createApi } from '../api/server.ts'
import type { Config } from '../config/config.ts'
import { livingControllers, registerController } from '../controllers/registry.ts'
import type { ControllerRow } from '../controllers/tables.ts'
import { isBusy } from '../db/busy.ts'
import { openDatabase } from '../db/connection.ts'
import { migrate } from '../db/migrate.ts'
import { newestMigration } from '../db/migrations/index.ts'
import { isUnavailable } from '../db/unavailable.ts'
import { servedByAmphorae, withoutSctp } from '../drivers/amphora/capabilities.ts'
import type { ProviderCapabilities } from '../drivers/amphora/driver.ts'
import { HaproxyRestDriver } from '../drivers/amphora/haproxy-rest.ts'
import { amphoraDrivers } from '../drivers/amphora/index.ts'
import type { Backends } from '../drivers/backends.ts'
import { openCertificates } from '../drivers/certificates/index.ts'
import { computeDrivers } from '../drivers/compute/index.ts'
import { imageDrivers } from '../drivers/image/index.ts'
import { networkDrivers } from '../drivers/network/index.ts'
import { type OpenStackSession, openStackSession, type SessionContext } from '../drivers/openstack/session.ts'
import { enlistWorker, isDead } from '../flow/worker-identity.ts'
import { startHealthManager } from '../health-manager/health-manager.ts'
import { startHousekeeping } from '../housekeeping/housekeeping.ts'
import type { Clock } from '../lib/clock.ts'
import { loadIpvs } from '../lib/ipvs.ts'
import type { Log } from '../lib/log.ts'
import { collectGauges } from '../monitoring/collect.ts'
import { watchDriver } from '../monitoring/drivers.ts'
import { createMetrics } from '../monitoring/metrics.ts'
import { startMonitoring } from '../monitoring/server.ts'
import { allFlows } from '../resources/all-flows.ts'
import { openTracer, type Tracer } from '../tracing/tracer.ts'
import { placesFor } from '../worker/places.ts'
import { startWorker } from '../worker/worker.ts'
import type { Role } from './configuration.ts'
import { databaseConnection } from './installation.ts'
import { joinCloud, type Running } from './join-cloud.ts'
import { withSecrets } from './secrets.ts'
import { whilePreparing } from './state.ts'
import { openTrust } from './trust.ts'

/** A transaction that holds one must not wait for itself. kolla-ansible's files say 1, which is for a process of many threads. */
const MIN_POOL_SIZE = 2

export interface ControllerOptions {
  config: Config
  roles: ReadonlySet<Role>
  log: Log
  clock: Clock
  print(line: string): void
  /** Ends the process: what it was to do another does now, or nobody can. */
  fail(why: string): void
  /** Show the demonstration if this is the first start. */
  demo: boolean
}

/** Resolves when every service of these roles answers. */
export async function startController(options: ControllerOptions): Promise<Running> {
  const { config: given, roles, log, clock, print, demo } = options
  const { stateDirectory } = given
  /** Newest first: what was started last ends first. */
  const started: Running[] = []
  /** What serves and works, which ends before everything else, all at once: flows are given back while requests still run. */
  const working: Running[] = []
  const stop = async () => {
    await Promise.all(working.splice(0).map((service) => service.stop()))
    for (const service of started.splice(0)) await service.stop()
  }
  try {
    const metrics = createMetrics()
    const db = await openDatabase({
      connection: databaseConnection(given),
      maxPoolSize: Math.max(given.database.max_pool_size, MIN_POOL_SIZE),
      onError: (error) =>
        metrics.database_query_errors_total.add({ kind: isUnavailable(error) ? 'unavailable' : isBusy(error) ? 'busy' : 'other' }),
    })
    started.unshift({ stop: () => db.destroy() })
    await migrate(db)
    const id = enlistWorker()
    const others = await livingControllers(db)
    started.unshift(await registerController({ db, log }, { id, serves: [...roles], program: newestMigration }))
    const prepared = await whilePreparing(stateDirectory, async () => withSecrets(given))
    const { cloud, holdsIt } = await joinCloud({ ...options, config: prepared, db, id, started })
    const { config } = cloud
    const trust = await whilePreparing(stateDirectory, () => openTrust({ db, config, clock, log }))
    started.unshift(trust)
    const backends = { config, clock, log, openStack: openStackOnDemand({ config, clock, log, metrics }, started) }
    const compute = await computeDrivers[config.controller_worker.compute_driver]({ ...backends, embedded: cloud.compute })
    const network = await networkDrivers[config.controller_worker.network_driver]({ ...backends, embedded: cloud.network })
    const image = await imageDrivers[config.controller_worker.image_driver](backends)
    const amphora = await amphoraDrivers[config.controller_worker.amphora_driver]({
      haproxyRest: async () =>
        new HaproxyRestDriver({
          config,
          trust,
          capabilities: await capabilitiesOfAmphorae(config),
        }),
    })
    const certificates = await openCertificates({ ...backends, embedded: cloud.certificates })
    const tracer = await openTracer({ config, log, metrics }, process.env)
    started.unshift(tracer)
    const context: ApiContext = {
      db,
      config,
      compute: watchDriver(compute, 'compute', metrics),
      network: watchDriver(network, 'network', metrics),
      image: watchDriver(image, 'image', metrics),
      amphora: watchDriver(amphora, 'amphora', metrics),
      certificates: watchDriver(certificates, 'certificates', metrics),
      trust,
      clock,
      log,
      metrics,
      identity: watchDriver(cloud.identity, 'identity', metrics),
    }

    const uncollect = collectGauges(context)
    started.unshift({ stop: async () => uncollect() })
    started.unshift(await startMonitoring(context))
    if (roles.has('health-manager')) {
      checkHeartbeatPort(given, others)
      const keys = () => trust.current.heartbeatKeys
      working.push(await startHealthManager(context, { bind: cloud.heartbeatAddresses, keys }))
    }
    if (roles.has('worker')) {
      working.push(
        startWorker({
          context,
          tracer,
          flows: allFlows,
          drivers: ['compute', 'network', 'image', 'amphora'],
          places: placesFor(config),
          leaseMs: config.task_flow.lease_seconds * 1_000,
          stepTimeoutMs: config.task_flow.step_timeout_seconds * 1_000,
        }),
      )
    }
    if (roles.has('housekeeping')) working.push(startHousekeeping(context))
    const { bind_host, bind_port } = config.api_settings
    if (roles.has('api')) working.push(await startApi(context, tracer))

    const what = roles.has('api') ? `load balancing at http://${bind_host}:${bind_port}` : [...roles].join(', ')
    print(`ready: ${what}, state in ${stateDirectory}`)
    if (demo && holdsIt && roles.has('api')) {
      // A service that serves does not end because its demonstration failed.
      await cloud.demonstrate(print).catch((error: Error) => {
        log.error({ err: error }, 'the demonstration failed')
        print(`the demonstration failed: ${error.message}`)
      })
    }
    return { stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** One session for all drivers that log in alike, opened by the first that asks. It ends when they do. */
function openStackOnDemand(context: SessionContext, started: Running[]): Backends['openStack'] {
  const sessions = new Map<Config['service_auth'], OpenStackSession>()
  return (config = context.config) => {
    const known = sessions.get(config.service_auth)
    if (known !== undefined) return known
    const opened = openStackSession({ ...context, config })
    started.unshift({ stop: async () => opened.close() })
    sessions.set(config.service_auth, opened)
    return opened
  }
}

async function startApi(context: ApiContext, tracer: Tracer): Promise<Running> {
  const { bind_host, bind_port, drain_seconds } = context.config.api_settings
  const api = createApi(context, tracer)
  await api.listen({ host: bind_host, port: bind_port })
  return {
    async stop() {
      api.drain()
      await sleep(drain_seconds * 1_000)
      await api.close()
    },
  }
}

/** Amphorae that do not know of a health manager would count as dead when the one they know ends. */
function checkHeartbeatPort({ health_manager, controller_worker }: Config, others: readonly ControllerRow[]): void {
  const { controller_ip_port_list, bind_port } = health_manager
  if (controller_worker.amphora_driver === 'amphora_noop_driver') return
  const isListed = controller_ip_port_list.some((place) => place.split(':').at(-1) === String(bind_port))
  if (controller_ip_port_list.length > 0 && !isListed) {
    throw new Error(
      `[health_manager] controller_ip_port_list: no entry has this process's port ${bind_port}, so no amphora would send to it`,
    )
  }
  const another = others.find(({ id, serves }) => serves.split(',').includes('health-manager') && !isDead(id))
  if (controller_ip_port_list.length === 0 && another !== undefined) {
    throw new Error(
      `[health_manager] controller_ip_port_list: missing, and there is another health manager (process ${another.pid} on ${another.host}); ` +
        'amphorae have to know the addresses of all',
    )
  }
}

/** Amphorae on this machine have its kernel; of others their image decides, which is taken to be as upstream's. */
async function capabilitiesOfAmphorae({ haproxy_amphora, controller_worker }: Config): Promise<ProviderCapabilities> {
  if (haproxy_amphora.udp_backend === 'nftables')
    return withoutSctp(servedByAmphorae, '[haproxy_amphora] udp_backend is nftables, which does not balance SCTP.')
  const isHere = controller_worker.compute_driver === 'compute_embedded_driver'
  if (isHere && !(await loadIpvs()))
    return withoutSctp(servedByAmphorae, 'SCTP is balanced by the IPVS of the kernel, which this machine does not have (or not ipvsadm).')
  return servedByAmphorae
}
