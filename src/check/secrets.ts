/** The store of users' certificates. */
import { certManagerOf } from '../drivers/certificates/index.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { REQUEST_TIMEOUT_MS, wordsOfFailure } from './services.ts'

export async function checkSecrets({ config, services }: Look): Promise<Said[]> {
  const manager = certManagerOf(config)
  if (manager === 'castellan_cert_manager')
    return [
      error(
        '[certificates] cert_manager = castellan_cert_manager: not served; listeners cannot end TLS',
        'cert_manager = barbican_cert_manager',
      ),
    ]
  if (manager !== 'barbican_cert_manager') return [ok(`users' certificates are in ${manager}`)]
  if (services === null) return [error('barbican_cert_manager needs an OpenStack', '[service_auth] auth_url = ...')]
  try {
    await services.barbican.request('GET', '/v1/secrets', { query: { limit: '1' }, accept: [403], timeoutMs: REQUEST_TIMEOUT_MS })
    return [ok('Barbican answers')]
  } catch (failure) {
    // Load balancers without TLS do not need it.
    return [
      warning(
        `Barbican cannot be asked, so listeners cannot end TLS: ${wordsOfFailure(failure)}`,
        '[certificates] endpoint, region_name, endpoint_type, ca_certificates_file; or cert_manager = noop_cert_manager where there is none',
      ),
    ]
  }
}
