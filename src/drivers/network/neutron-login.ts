import type { Config } from '../../config/config.ts'

/** The configuration with `[service_auth]` as Neutron is asked: what `[neutron]` says of the login comes before it, as with Octavia. The same object where it says nothing. */
export function asNeutronIsAsked(config: Config): Config {
  const said = Object.entries(config.neutron).filter(([name]) => name in config.service_auth && config.given.has(`neutron.${name}`))
  return said.length === 0 ? config : { ...config, service_auth: { ...config.service_auth, ...Object.fromEntries(said) } }
}
