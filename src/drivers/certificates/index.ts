import type { Config } from '../../config/config.ts'
import { hasOpenStack } from '../../config/driver-defaults.ts'
import type { Backends } from '../backends.ts'
import type { CertificateDriver } from './driver.ts'

export type CertManager = NonNullable<Config['certificates']['cert_manager']>

/** What only the process that starts can build: called when its driver is the chosen one. */
export interface CertificateBackends extends Backends {
  embedded(): Promise<CertificateDriver>
}

/** By `certManagerOf`. Modules are loaded when chosen. */
const certificateDrivers: Record<CertManager, (backends: CertificateBackends) => Promise<CertificateDriver>> = {
  noop_cert_manager: async () => new (await import('./noop.ts')).NoopCertificates(),
  local_cert_manager: async ({ config }) => new (await import('./local.ts')).LocalCertificates(config.certificates.storage_path),
  embedded_cert_manager: (backends) => backends.embedded(),
  barbican_cert_manager: async ({ config, openStack }) => new (await import('./barbican.ts')).BarbicanCertificates(openStack(), config),
  castellan_cert_manager: async () => new (await import('./none.ts')).NoCertificates(),
}

/** `[certificates] cert_manager`; where it is not set, amphorae that serve nothing are content with any certificate. Without an OpenStack Barbican is ours. */
export function certManagerOf(config: Config): CertManager {
  const { certificates, controller_worker } = config
  if (certificates.cert_manager === null && controller_worker.amphora_driver === 'amphora_noop_driver') return 'noop_cert_manager'
  const chosen = certificates.cert_manager ?? 'barbican_cert_manager'
  return chosen === 'barbican_cert_manager' && !hasOpenStack(config) ? 'embedded_cert_manager' : chosen
}

export function openCertificates(backends: CertificateBackends): Promise<CertificateDriver> {
  return certificateDrivers[certManagerOf(backends.config)](backends)
}
