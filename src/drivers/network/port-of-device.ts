import type { Port, PortOfDevice } from './driver.ts'

/** What `NetworkDriver.listDown` answers, where `ports` are all ports of these devices. */
export function withoutPortUp(
  wanted: readonly PortOfDevice[],
  ports: readonly Pick<Port, 'device_id' | 'fixed_ips' | 'admin_state_up'>[],
): PortOfDevice[] {
  const up = new Set(
    ports
      .filter(({ admin_state_up }) => admin_state_up)
      .flatMap(({ device_id, fixed_ips }) => fixed_ips.map((fixed) => placeOf(device_id, fixed.ip_address))),
  )
  return wanted.filter(({ device_id, ip_address }) => !up.has(placeOf(device_id, ip_address)))
}

function placeOf(device_id: string, ip_address: string): string {
  return `${device_id} ${ip_address}`
}
