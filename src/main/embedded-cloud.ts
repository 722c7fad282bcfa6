/**
 * The parts of a cloud that this process itself provides: identity, networks, secrets and machines, each only where the configuration chooses it.
 * The order matters: projects own networks, networks carry machines.
 */
import type { Config } from '../config/config.ts'
import type { DriversElsewhere } from '../controllers/driver-socket.ts'
import type { Db } from '../db/connection.ts'
import type { CertificateDriver } from '../drivers/certificates/driver.ts'
import { EmbeddedCertificates } from '../drivers/certificates/embedded.ts'
import { certManagerOf } from '../drivers/certificates/index.ts'
import type { ComputeDriver } from '../drivers/compute/driver.ts'
import { EmbeddedComputeDriver } from '../drivers/compute/embedded.ts'
import type { IdentityDriver } from '../drivers/identity/driver.ts'
import { embeddedIdentityDriver } from '../drivers/identity/embedded.ts'
import { identityDriverOf, identityDrivers } from '../drivers/identity/index.ts'
import type { NetworkDriver } from '../drivers/network/driver.ts'
import { amphoraFlavor } from '../embedded/compute/api/answers.ts'
import { startComputeService } from '../embedded/compute/api/server.ts'
import { serverDirectory } from '../embedded/compute/directory.ts'
import { EmbeddedCompute } from '../embedded/compute/service.ts'
import type { RunningService } from '../embedded/http.ts'
import { startIdentityService } from '../embedded/identity/api/server.ts'
import { firstProjects, serviceUserId } from '../embedded/identity/bootstrap.ts'
import { writeClientFiles } from '../embedded/identity/client-files.ts'
import { openEmbeddedIdentity } from '../embedded/identity/service.ts'
import { Lab } from '../embedded/lab/lab.ts'
import { startNetworkService } from '../embedded/network/api/server.ts'
import type { EmbeddedNetwork } from '../embedded/network/service.ts'
import { startSecretsService } from '../embedded/secrets/api/server.ts'
import { embeddedSecrets, openEmbeddedSecrets } from '../embedded/secrets/service.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { demonstrate } from './demo.ts'
import { openEmbeddedNetwork } from './embedded-network.ts'
import { hasEmbeddedParts } from './embedded-place.ts'
import { stateHash } from './state.ts'

/** Kept once the demonstration was shown. */
const DEMONSTRATED = 'demonstrated'
const WALLS_CHECK_INTERVAL_MS = 5_000

export interface EmbeddedCloud {
  /** With what only the cloud knows filled in: the management network, where heartbeats go. */
  config: Config
  identity: IdentityDriver
  compute(): Promise<ComputeDriver>
  network(): Promise<NetworkDriver>
  certificates(): Promise<CertificateDriver>
  heartbeatAddresses: { address: string; port: number }[]
  startServices(): Promise<{ stop(): Promise<void> }>
  /** Once in the life of an installation; says nothing later. */
  demonstrate(print: (line: string) => void): Promise<void>
}

export interface EmbeddedCloudOptions {
  db: Db
  config: Config
  clock: Clock
  log: Log
  /** Where another process holds it: its drivers. Null: this one does. */
  elsewhere: DriversElsewhere | null
}

/** The process that holds it brings machines and links to what the rows say before it answers; others find what that one has made. */
export async function openEmbeddedCloud(options: EmbeddedCloudOptions): Promise<EmbeddedCloud> {
  const { db, config: given, clock, log, elsewhere } = options
  const { compute_driver, network_driver } = given.controller_worker
  const identity = await openEmbeddedIdentity({ db, config: given, clock })
  const passwords = elsewhere === null && hasEmbeddedParts(given) ? await identity.prepare() : null
  const hasEmbeddedIdentity = identityDriverOf(given) === 'embedded'
  // They would hold passwords that no Keystone knows.
  if (hasEmbeddedIdentity && passwords !== null) await writeClientFiles(given, passwords)
  const identityDriver = await identityDrivers[identityDriverOf(given)]({
    embedded: () => embeddedIdentityDriver(identity, clock, given.keystone_authtoken),
    keystone: async () => (await import('../drivers/identity/keystone.ts')).keystoneIdentityDriver({ config: given, clock, log }),
  })

  const hasEmbeddedSecrets = certManagerOf(given) === 'embedded_cert_manager'
  const openSecrets = elsewhere === null ? openEmbeddedSecrets : embeddedSecrets
  const secrets = hasEmbeddedSecrets ? await openSecrets({ ...options, serviceUserId: await serviceUserId(db) }) : null

  const embeddedNetwork = network_driver === 'network_embedded_driver' ? await openEmbeddedNetwork(options) : null
  const management = embeddedNetwork === null ? null : await managementAddress(embeddedNetwork)
  const config = completed(given, embeddedNetwork?.first.management_network_id ?? null, management)
  if (elsewhere === null) await embeddedNetwork?.service.reconcile()

  let embeddedCompute: EmbeddedCompute | null = null
  let lab: Lab | null = null
  if (compute_driver === 'compute_embedded_driver' && elsewhere === null) {
    if (embeddedNetwork === null)
      throw new Error('[controller_worker] compute_driver: compute_embedded_driver needs network_embedded_driver')
    const { stateDirectory } = config
    const sandboxes = { db, network: embeddedNetwork.sandboxes, stateDirectory, stateHash: stateHash(stateDirectory), clock, log }
    const { amphora_memory_mb, amphora_cpus } = config.embedded
    embeddedCompute = new EmbeddedCompute({
      ...sandboxes,
      limits: { memory_mb: amphora_memory_mb, cpus: amphora_cpus },
      bundleAgent: async (outFile) => (await import('../agent/bundle.ts')).bundleAgent(outFile),
    })
    lab = new Lab({ ...sandboxes, project_id: embeddedNetwork.projects.admin })
    await embeddedCompute.reconcile()
    await lab.reconcile()
  }

  async function startServices(): Promise<{ stop(): Promise<void> }> {
    const running: RunningService[] = []
    const { bind_host: host, network_bind_port, compute_bind_port, secrets_bind_port } = config.embedded
    const common = { db, config, clock, log, host }
    const { bind_host, bind_port } = config.identity
    if (hasEmbeddedIdentity) running.push(await startIdentityService({ ...common, identity, host: bind_host, port: bind_port }))
    if (embeddedNetwork !== null) {
      running.push(
        await startNetworkService({ ...common, network: embeddedNetwork.service, identity: identityDriver, port: network_bind_port }),
      )
    }
    if (secrets !== null) running.push(await startSecretsService({ ...common, secrets, identity: identityDriver, port: secrets_bind_port }))
    if (embeddedCompute !== null) {
      const { service: serviceProjectId } = await firstProjects(db)
      const directory = serverDirectory(db)
      running.push(await startComputeService({ ...common, directory, identity: identityDriver, serviceProjectId, port: compute_bind_port }))
    }
    const walls = embeddedNetwork === null ? undefined : setInterval(checkWalls, WALLS_CHECK_INTERVAL_MS, embeddedNetwork.service)
    return {
      async stop() {
        clearInterval(walls)
        await Promise.all(running.map((service) => service.close()))
      },
    }
  }

  /** A firewall of the host that is loaded again takes our tables with it. */
  function checkWalls(service: EmbeddedNetwork): void {
    service.checkWalls().catch((error: Error) => log.error({ err: error }, 'the walls could not be checked'))
  }

  return {
    config,
    identity: identityDriver,
    async compute() {
      if (elsewhere !== null) return elsewhere.compute
      if (embeddedCompute === null) throw new Error('there is no embedded compute')
      const kind = { flavor: amphoraFlavor(config).id, availability_zone: 'nova' }
      return new EmbeddedComputeDriver(embeddedCompute, kind)
    },
    async network() {
      if (elsewhere !== null) return elsewhere.network
      if (embeddedNetwork === null) throw new Error('there is no embedded network')
      return embeddedNetwork.driver
    },
    async certificates() {
      if (secrets === null) throw new Error('there is no embedded secret store')
      return new EmbeddedCertificates(secrets)
    },
    heartbeatAddresses: [
      given.health_manager.bind_ip,
      ...(management === null || compute_driver !== 'compute_embedded_driver' ? [] : [management]),
    ].map((address) => ({
      address,
      port: given.health_manager.bind_port,
    })),
    startServices,
    async demonstrate(print) {
      const shown = await db.selectFrom('setting').select('key').where('key', '=', DEMONSTRATED).executeTakeFirst()
      const subnet_id = embeddedNetwork?.first.private_subnet_id ?? null
      // It is made by the API, as the embedded identity's admin.
      if (shown !== undefined || lab === null || subnet_id === null || !hasEmbeddedIdentity) return
      await db.insertInto('setting').values({ key: DEMONSTRATED, value: 'yes' }).execute()
      const hosts = lab
      const { bind_host, bind_port } = config.api_settings
      await demonstrate({
        api: `http://${bind_host}:${bind_port}`,
        token: await adminToken(),
        subnet_id,
        createHost: async (name, command) =>
          (await hosts.createHost({ name, subnet: subnet_id, command, working_directory: '/' })).ip_address,
        print,
      })
      print(`next: source ${config.stateDirectory}/openrc`)
      print('      openstack loadbalancer list')
      print('      openstack loadbalancer status show demo')
      print('      openstack loadbalancer create --name test_1 --vip-subnet-id private-subnet --wait')
    },
  }

  async function adminToken(): Promise<string> {
    const { admin } = await firstProjects(db)
    const user = await db.selectFrom('embedded_user').selectAll().where('name', '=', 'admin').executeTakeFirst()
    const known = await identity.login(user, passwords!.admin)
    const issued = known === null ? null : await identity.issue(known, { project_id: admin }, ['password'])
    if (issued === null) throw new Error('the user admin can no longer log in with its first password')
    return issued.token
  }
}

/** The host's own address on lb-mgmt-net. */
async function managementAddress({ service, first }: Awaited<ReturnType<typeof openEmbeddedNetwork>>): Promise<string | null> {
  if (first.management_subnet_id === null) return null
  return (await service.getSubnet(first.management_subnet_id)).gateway_ip
}

/** What an operator of another cloud has to say, the embedded one knows. */
function completed(config: Config, management_network_id: string | null, management: string | null): Config {
  const { controller_worker, health_manager } = config
  const { amp_boot_network_list } = controller_worker
  const { controller_ip_port_list, bind_ip, bind_port } = health_manager
  return {
    ...config,
    controller_worker: {
      ...controller_worker,
      amp_boot_network_list:
        amp_boot_network_list.length === 0 && management_network_id !== null ? [management_network_id] : amp_boot_network_list,
    },
    health_manager: {
      ...health_manager,
      controller_ip_port_list: (controller_ip_port_list.length > 0 ? controller_ip_port_list : [String(bind_port)]).map((place) =>
        /^\d+$/.test(place) ? `${management ?? bind_ip}:${place}` : place,
      ),
    },
  }
}
