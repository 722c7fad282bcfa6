/** The embedded compute's servers and groups as the compute API shows them. */
import type { Db } from '../../db/connection.ts'
import type { DirectoryServer, ServerDirectory } from './api/directory.ts'
import { initOf, isAlive } from './init-process.ts'
import { findServer, listServerGroups, listServers } from './repository.ts'
import type { EmbeddedServerRow } from './tables.ts'

export function serverDirectory(db: Db): ServerDirectory {
  return {
    listServers: async () => await withAddresses(db, await listServers(db)),
    async getServer(compute_id) {
      const row = await findServer(db, compute_id)
      return row === undefined ? null : (await withAddresses(db, [row]))[0]!
    },
    async listServerGroups() {
      const servers = await listServers(db)
      return (await listServerGroups(db)).map(({ id, name, policy }) => {
        const members = servers.filter((server) => server.server_group_id === id).map((server) => server.compute_id)
        return { id, name, policy, members }
      })
    },
  }
}

async function withAddresses(db: Db, rows: readonly EmbeddedServerRow[]): Promise<DirectoryServer[]> {
  if (rows.length === 0) return []
  const ids = rows.map((row) => row.compute_id)
  const ports = await db
    .selectFrom('embedded_port')
    .innerJoin('embedded_network', 'embedded_network.id', 'embedded_port.network_id')
    .select(['embedded_port.id', 'embedded_port.device_id', 'embedded_port.fixed_ips', 'embedded_port.mac_address'])
    .select('embedded_network.name as network_name')
    .where('embedded_port.device_id', 'in', ids)
    .orderBy('embedded_port.created_at')
    .execute()
  return rows.map((row) => {
    const own = ports.filter((port) => port.device_id === row.compute_id)
    const managementFirst = [
      ...own.filter(({ id }) => id === row.management_port_id),
      ...own.filter(({ id }) => id !== row.management_port_id),
    ]
    return {
      compute_id: row.compute_id,
      name: row.name,
      status: row.status === 'ACTIVE' && !isAlive(initOf(row)) ? 'GONE' : row.status,
      fault: row.failure,
      compute_flavor: row.compute_flavor,
      availability_zone: row.availability_zone,
      created_at: row.created_at,
      addresses: managementFirst.flatMap(({ fixed_ips, mac_address, network_name }) =>
        fixed_ips.map(({ ip_address }) => ({ network_name, ip_address, mac_address })),
      ),
    }
  })
}
