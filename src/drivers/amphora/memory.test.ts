import { amphoraContract } from './contract.ts'
import { MemoryAmphora } from './memory.ts'

amphoraContract('memory', async () => {
  const driver = new MemoryAmphora()
  const silent = { id: 'silent', lb_network_ip: '192.0.2.9' }
  driver.disconnect(silent.id)
  const amphora = { id: 'amphora-1', lb_network_ip: '192.0.2.1' }
  return { driver, amphora, mac_address: 'fa:16:3e:00:00:01', certificatesPath: '/var/lib/octavia/certs', silent }
})
