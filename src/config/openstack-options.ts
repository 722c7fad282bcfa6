/** Options that say how OpenStack's services are reached, in the words of keystoneauth, keystonemiddleware and `octavia/common/config.py`. */
import { choice, flag, list, number, text } from './option.ts'

/** Who a service user is and how he logs in: keystoneauth's options, which several sections have. */
function login() {
  return {
    auth_url: text(null, 'Keystone, with or without /v3.'),
    username: text(null, 'The service user.'),
    user_id: text(null, 'The same by id.'),
    user_domain_name: text(null, 'Its domain; default: the one with the id default.'),
    user_domain_id: text(null, 'The same by id.'),
    password: text(null, 'Its password.', { secret: true }),
    project_name: text(null, 'The project its token is for.'),
    project_id: text(null, 'The same by id.'),
    project_domain_name: text(null, "The project's domain."),
    project_domain_id: text(null, 'The same by id.'),
    default_domain_name: text(null, 'Both domains, where they are not given.'),
    default_domain_id: text(null, 'The same by id.'),
    system_scope: choice(['all'], null, 'Its token is for the system instead.'),
    cafile: text(null, "PEM file of the CAs that sign the services' certificates; default: the system's."),
    certfile: text(null, 'PEM file of a client certificate, where one is asked for.'),
    keyfile: text(null, 'Its key; default: in certfile.'),
    insecure: flag(false, "Do not verify the services' certificates."),
  }
}

export const keystone_authtoken = {
  ...login(),
  www_authenticate_uri: text(null, 'Where clients without a valid token are sent.'),
  auth_type: choice(['password', 'v3password'], 'password', 'How the service user logs in.'),
  username: text(null, 'The service user, by whose token others are validated; he needs the role admin or service.'),
  region_name: text(null, "The region of Keystone's endpoint in the catalog."),
  interface: choice(['public', 'internal', 'admin'], 'internal', "Which of Keystone's endpoints is asked."),
  http_connect_timeout: number(null, 'Seconds for one request to Keystone; default: 10.', { min: 1 }),
  http_request_max_retries: number(3, 'How often a request is tried again when Keystone fails or is silent.', { min: 0, max: 10 }),
  token_cache_time: number(300, 'For how many seconds a validation is remembered: 60 at most, whatever this says; -1: not at all.', {
    min: -1,
  }),
  service_token_roles: list(['service'], 'Roles of which a service token has one.'),
  service_token_roles_required: flag(true, 'False: any valid token is a service token, but only those with a role let expired ones pass.'),
  service_type: text(null, "This service's type in access rules (load-balancer); without it tokens with access rules are refused."),
}

/** As whom Nova, Neutron, Glance and Barbican are asked. */
const service_auth = {
  ...login(),
  auth_type: choice(['password', 'v3password', 'v3applicationcredential'], 'password', 'How the service user logs in.'),
  application_credential_id: text(null, 'With v3applicationcredential: its id.'),
  application_credential_name: text(null, 'The same by name, of the user above.'),
  application_credential_secret: text(null, 'Its secret.', { secret: true }),
  timeout: number(null, 'Seconds for one request to a service; default: 60.', { min: 1 }),
}

const interfaces = ['publicURL', 'internalURL', 'adminURL', 'public', 'internal', 'admin'] as const

/** Where one service is: upstream's options of every service's section. */
function service(name: string) {
  return {
    service_name: text(null, `The name of ${name} in the catalog; default: any of its type.`),
    endpoint: text(null, `Where ${name} is, instead of what the catalog says.`),
    endpoint_override: text(null, 'The same by its newer name.'),
    region_name: text(null, 'The region in the catalog; default: any.'),
    endpoint_type: choice(interfaces, 'publicURL', 'Which of its endpoints is asked.'),
    valid_interfaces: list([], 'The same by its newer name, the first that there is.'),
    ca_certificates_file: text(null, 'PEM file of the CAs that sign its certificate; default: [service_auth] cafile.'),
    insecure: flag(false, 'Do not verify its certificate.'),
  }
}

/** Patience with one service. */
function retries(name: string) {
  return {
    max_retries: number(15, `How often something is asked of ${name} while it fails or is busy.`, { min: 1, max: 100 }),
    retry_interval: number(1, 'Seconds until it is asked a second time.', { min: 0 }),
    retry_backoff: number(1, 'Each further wait is by so many seconds longer.', { min: 0 }),
    retry_max: number(10, 'The longest wait in seconds.', { min: 0 }),
  }
}

export const barbicanService = service('the key manager')
export const networkingRetries = retries('Neutron')

export const servicesOptions = {
  service_auth,
  compute: retries('Nova'),
  nova: {
    ...service('Nova'),
    availability_zone: text(null, 'The availability zone of amphorae, where the load balancer is in none of its own.'),
    enable_anti_affinity: flag(false, 'Put the amphorae of a pair on different hosts.'),
    anti_affinity_policy: choice(['anti-affinity', 'soft-anti-affinity'], 'anti-affinity', 'How strictly.'),
    random_amphora_name_length: number(0, 'Call servers `a[A-Z0-9]*` of that length; 0: amphora-ID.', { min: 0, max: 255 }),
  },
  neutron: {
    // What is not said here is as in [service_auth].
    ...login(),
    auth_type: choice(['password', 'v3password', 'v3applicationcredential'], null, 'How the service user logs in.'),
    ...service('Neutron'),
  },
  glance: service('Glance'),
}
