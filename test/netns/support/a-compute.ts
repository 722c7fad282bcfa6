import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Db, openDatabase } from '../../../src/db/connection.ts'
import { migrate } from '../../../src/db/migrate.ts'
import type { WantedServer } from '../../../src/drivers/compute/driver.ts'
import type { Network, Subnet } from '../../../src/drivers/network/driver.ts'
import { EmbeddedCompute } from '../../../src/embedded/compute/service.ts'
import { teardownCompute } from '../../../src/embedded/compute/teardown.ts'
import { Lab } from '../../../src/embedded/lab/lab.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { createLog } from '../../../src/lib/log.ts'
import { BridgedNetwork } from './bridged-network.ts'

/** Stands for the agent: counts its starts on the amphora's disk, takes the memory its configuration asks for, and stays. */
const STUB_AGENT = `
import { appendFileSync, readFileSync } from 'node:fs'
appendFileSync('/var/lib/octavia/starts', process.pid + '\\n')
const configuration = readFileSync(process.argv.at(-1), 'utf8')
const kept = Buffer.alloc(Number(/take (\\d+)/.exec(configuration)?.[1] ?? 0), 1)
setInterval(() => kept.length, 1000)
`

export const MEMORY_LIMIT_MB = 96

/** An embedded compute on a state of its own, with a management and a tenant network. Close it. */
export interface TestCompute {
  compute: EmbeddedCompute
  lab: Lab
  network: BridgedNetwork
  management: { network: Network; subnet: Subnet }
  tenant: { network: Network; subnet: Subnet }
  db: Db
  stateDirectory: string
  hash: string
  /** What a controller that starts anew on this state has. */
  again(): EmbeddedCompute
  wanted(changes?: Partial<WantedServer>): WantedServer
  close(): Promise<void>
}

export async function aCompute(): Promise<TestCompute> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'ottavia-compute-'))
  const hash = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 6)
  const network = new BridgedNetwork()
  // Ranges for documentation and tests (RFC 2544), unlike those of any other test that could share the sandbox.
  const management = await network.addBridge('lb-mgmt-net', '198.19.240.0/24')
  const tenant = await network.addBridge('private', '198.19.241.0/24')
  const connection = `sqlite://${join(stateDirectory, 'test.db')}`
  const db = await openDatabase({ connection })
  await migrate(db)
  await insertNetwork(db, tenant)
  const log = createLog('silent')
  const again = () => openCompute({ db, network, stateDirectory, hash })
  const lab = new Lab({ db, network, project_id: 'admin', stateDirectory, stateHash: hash, clock: systemClock, log })
  return {
    compute: again(),
    lab,
    network,
    management,
    tenant,
    db,
    stateDirectory,
    hash,
    again,
    wanted(changes = {}) {
      const amphora_id = randomUUID()
      return {
        amphora_id,
        name: `amphora-${amphora_id}`,
        network_ids: [management.network.id],
        security_group_ids: [],
        compute_flavor: null,
        image_id: 'amphora',
        server_group_id: null,
        availability_zone: null,
        files: { '/etc/octavia/amphora-agent.conf': '[DEFAULT]\n', '/etc/octavia/certs/server.pem': 'the key of this amphora\n' },
        made_by: 'flow-1',
        ...changes,
      }
    },
    async close() {
      await teardownCompute({ hash, log })
      await network.removeBridges()
      await db.destroy()
      rmSync(stateDirectory, { recursive: true, force: true })
    },
  }
}

export function openCompute(given: { db: Db; network: BridgedNetwork; stateDirectory: string; hash: string }): EmbeddedCompute {
  return new EmbeddedCompute({
    db: given.db,
    network: given.network,
    stateDirectory: given.stateDirectory,
    stateHash: given.hash,
    limits: { memory_mb: MEMORY_LIMIT_MB, cpus: 1 },
    async bundleAgent(outFile) {
      writeFileSync(outFile, STUB_AGENT)
    },
    clock: systemClock,
    log: createLog('silent'),
  })
}

/** The lab finds subnets in the database, by id or name. */
async function insertNetwork(db: Db, { network, subnet }: { network: Network; subnet: Subnet }): Promise<void> {
  const kept = { project_id: 'admin', description: '', made_by: null, created_at: '2026-11-22T00:00:00', updated_at: '2026-11-22T00:00:00' }
  const plain = { shared: false, external: false, admin_state_up: true, port_security_enabled: true, status: 'ACTIVE' as const, role: null }
  await db
    .insertInto('embedded_network')
    .values({ ...kept, ...plain, id: network.id, name: network.name, mtu: 1500 })
    .execute()
  const { id, name, network_id, cidr, ip_version, gateway_ip } = subnet
  const empty = {
    allocation_pools: [],
    host_routes: [],
    dns_nameservers: [],
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
  }
  await db
    .insertInto('embedded_subnet')
    .values({ ...kept, ...empty, id, name, network_id, cidr, ip_version, gateway_ip })
    .execute()
}
