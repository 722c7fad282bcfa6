import type { Config } from '../../config/config.ts'
import type { CertificateDriver } from './driver.ts'

export type CertManager = NonNullable<Config['certificates']['cert_manager']>

/** What only the process that starts can build: called when its driver is the chosen one. */
export interface CertificateBackends {
  embedded(): Promise<CertificateDriver>
}

/** By `certManagerOf`. Modules are loaded when chosen. */
const certificateDrivers: Record<CertManager, (config: Config, backends: CertificateBackends) => Promise<CertificateDriver>> = {
  noop_cert_manager: async () => new (await import('./noop.ts')).NoopCertificates(),
  local_cert_manager: async ({ certificates }) => new (await import('./local.ts')).LocalCertificates(certificates.storage_path),
  barbican_cert_manager: (_, backends) => backends.embedded(),
  castellan_cert_manager: async () => new (await import('./none.ts')).NoCertificates(),
}

/** `[certificates] cert_manager`; where it is not set, amphorae that serve nothing are content with any certificate. */
export function certManagerOf({ certificates, controller_worker }: Config): CertManager {
  if (certificates.cert_manager !== null) return certificates.cert_manager
  return controller_worker.amphora_driver === 'amphora_noop_driver' ? 'noop_cert_manager' : 'barbican_cert_manager'
}

export function openCertificates(config: Config, backends: CertificateBackends): Promise<CertificateDriver> {
  return certificateDrivers[certManagerOf(config)](config, backends)
}
