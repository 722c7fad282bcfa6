import type { Config } from '../../config/config.ts'
import type { CertificateDriver } from './driver.ts'

type Chosen = NonNullable<Config['certificates']['cert_manager']>

/** By the value of `[certificates] cert_manager`. Modules are loaded when chosen. */
const certificateDrivers: Record<Chosen, (config: Config) => Promise<CertificateDriver>> = {
  noop_cert_manager: async () => new (await import('./noop.ts')).NoopCertificates(),
  local_cert_manager: async ({ certificates }) => new (await import('./local.ts')).LocalCertificates(certificates.storage_path),
  barbican_cert_manager: noStore,
  castellan_cert_manager: noStore,
}

async function noStore(): Promise<CertificateDriver> {
  return new (await import('./none.ts')).NoCertificates()
}

/** Without a choice there is none, but amphorae that serve nothing are content with any certificate. */
export async function openCertificates(config: Config): Promise<CertificateDriver> {
  const chosen = config.certificates.cert_manager
  if (chosen !== null) return certificateDrivers[chosen](config)
  return config.controller_worker.amphora_driver === 'amphora_noop_driver' ? certificateDrivers.noop_cert_manager(config) : noStore()
}
