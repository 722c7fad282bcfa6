import type { DirectoryServer } from '../../src/embedded/compute/api/directory.ts'

/** The server of the amphora of that number (1 to 9), with an address on the management network. */
export function anAmphora(number: number): DirectoryServer {
  return {
    compute_id: `compute-${number}`,
    name: `amphora-${number}`,
    status: 'ACTIVE',
    fault: null,
    compute_flavor: null,
    availability_zone: null,
    created_at: '2026-11-22T17:19:15',
    addresses: [{ network_name: 'lb-mgmt-net', ip_address: `198.18.1.${number}`, mac_address: `fa:16:3e:00:00:0${number}` }],
  }
}
