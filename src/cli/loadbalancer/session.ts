/**
 * Who asks, and where the services are: from the variables OS_* that every OpenStack client reads. A token is got, and the catalog read, once
 * a command.
 */
import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { exchange, LoadBalancing } from '../../client/index.ts'

/** The environment does not say enough, or names what is not there. */
export class SessionError extends Error {}

export interface Session {
  readonly client: LoadBalancing
  /** Of another service in the catalog: its endpoint, asked with this session's token; null where there is no catalog. */
  ask<T>(service: 'network' | 'identity', path: string): Promise<T | null>
  /** Replaces what is at that path of the secret store. Throws where there is no catalog. */
  putSecret(path: string, contentType: string, body: Buffer): Promise<void>
}

type Environment = Readonly<Record<string, string | undefined>>

const REQUEST_TIMEOUT_MS = 60_000

interface CatalogEntry {
  type: string
  endpoints: { interface: string; region?: string; region_id?: string; url: string }[]
}

interface Login {
  token: string
  catalog: CatalogEntry[]
}

/** Logs in where that is needed. Throws SessionError, or Fault with what the identity service said. */
export async function openSession(environment: Environment): Promise<Session> {
  trust(environment)
  const { OS_ENDPOINT, OS_TOKEN } = environment
  const type = environment.OS_AUTH_TYPE || (OS_ENDPOINT && OS_TOKEN ? 'token_endpoint' : OS_TOKEN ? 'token' : 'password')
  if (type === 'none' || type === 'noauth' || type === 'token_endpoint' || type === 'admin_token') {
    const endpoint = required(environment, 'OS_ENDPOINT')
    const token = type.includes('token') ? required(environment, 'OS_TOKEN') : undefined
    const headers: Record<string, string> = environment.OS_PROJECT_ID ? { 'x-project-id': environment.OS_PROJECT_ID } : {}
    return {
      client: new LoadBalancing({ endpoint, token, headers }),
      ask: async () => null,
      async putSecret() {
        throw new SessionError(`OS_AUTH_TYPE=${type} does not say where the secret store is`)
      },
    }
  }
  const { token, catalog } = await login(type, environment)
  return {
    client: new LoadBalancing({ endpoint: endpointOf('load-balancer', catalog, environment), token }),
    async ask<T>(service: 'network' | 'identity', path: string): Promise<T> {
      const base = endpointOf(service, catalog, environment).replace(/\/+$/, '')
      const version = service === 'network' ? '/v2.0' : '/v3'
      const url = `${base.endsWith(version) ? base : `${base}${version}`}${path}`
      return (await get(url, token)) as T
    },
    async putSecret(path: string, contentType: string, body: Buffer): Promise<void> {
      const url = `${endpointOf('key-manager', catalog, environment).replace(/\/+$/, '')}${path}`
      const headers = { accept: 'application/json', 'content-type': contentType, 'x-auth-token': token }
      await exchange(url, { method: 'PUT', headers, body: new Uint8Array(body), redirect: 'error' }, REQUEST_TIMEOUT_MS)
    },
  }
}

function trust({ OS_CACERT }: Environment): void {
  if (!OS_CACERT) return
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(OS_CACERT, 'utf8')])
}

function required(environment: Environment, name: string): string {
  const value = environment[name]
  if (!value)
    throw new SessionError(`${name} is not set: source an openrc (var/openrc of \`npm start\`), or set OS_AUTH_TYPE=none and OS_ENDPOINT`)
  return value
}

async function login(type: string, environment: Environment): Promise<Login> {
  const base = required(environment, 'OS_AUTH_URL').replace(/\/+$/, '')
  const url = `${base.endsWith('/v3') ? base : `${base}/v3`}/auth/tokens`
  const auth = { identity: identityOf(type, environment), scope: scopeOf(type, environment) }
  const headers = { accept: 'application/json', 'content-type': 'application/json' }
  const init: RequestInit = { method: 'POST', headers, body: JSON.stringify({ auth }), redirect: 'error' }
  const { response, text } = await exchange(url, init, REQUEST_TIMEOUT_MS)
  const token = response.headers.get('x-subject-token')
  if (token === null) throw new SessionError(`${url} gave no token: OS_AUTH_URL should be Keystone's, version 3`)
  const { token: described } = JSON.parse(text) as { token?: { catalog?: CatalogEntry[] } }
  return { token, catalog: described?.catalog ?? [] }
}

function identityOf(type: string, environment: Environment): object {
  switch (type) {
    case 'password':
    case 'v3password': {
      const password = required(environment, 'OS_PASSWORD')
      const { OS_USER_ID } = environment
      const user = OS_USER_ID ? { id: OS_USER_ID } : { name: required(environment, 'OS_USERNAME'), domain: domainOf('USER', environment) }
      return { methods: ['password'], password: { user: { ...user, password } } }
    }
    case 'token':
    case 'v3token':
      return { methods: ['token'], token: { id: required(environment, 'OS_TOKEN') } }
    case 'v3applicationcredential': {
      const id = required(environment, 'OS_APPLICATION_CREDENTIAL_ID')
      const secret = required(environment, 'OS_APPLICATION_CREDENTIAL_SECRET')
      return { methods: ['application_credential'], application_credential: { id, secret } }
    }
  }
  throw new SessionError(`OS_AUTH_TYPE=${type} is not known: password, token, v3applicationcredential, token_endpoint and none are`)
}

/** Undefined: the identity service decides, by the user's default project or what the credential is for. */
function scopeOf(type: string, environment: Environment): object | undefined {
  const { OS_PROJECT_ID, OS_PROJECT_NAME, OS_SYSTEM_SCOPE, OS_DOMAIN_ID, OS_DOMAIN_NAME } = environment
  if (type === 'v3applicationcredential') return undefined
  if (OS_SYSTEM_SCOPE) return { system: { all: true } }
  if (OS_PROJECT_ID) return { project: { id: OS_PROJECT_ID } }
  if (OS_PROJECT_NAME) return { project: { name: OS_PROJECT_NAME, domain: domainOf('PROJECT', environment) } }
  if (OS_DOMAIN_ID) return { domain: { id: OS_DOMAIN_ID } }
  return OS_DOMAIN_NAME ? { domain: { name: OS_DOMAIN_NAME } } : undefined
}

function domainOf(of: 'USER' | 'PROJECT', environment: Environment): object {
  const id = environment[`OS_${of}_DOMAIN_ID`]
  const name = environment[`OS_${of}_DOMAIN_NAME`]
  return id ? { id } : name ? { name } : { id: environment.OS_DEFAULT_DOMAIN || 'default' }
}

function endpointOf(type: string, catalog: CatalogEntry[], environment: Environment): string {
  const wanted = (environment.OS_INTERFACE || environment.OS_ENDPOINT_TYPE || 'public').replace(/URL$/, '')
  const region = environment.OS_REGION_NAME
  const found = catalog
    .filter((entry) => entry.type === type)
    .flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => endpoint.interface === wanted && (!region || (endpoint.region_id ?? endpoint.region) === region))
  if (found === undefined) throw new SessionError(`${wanted} endpoint for ${type} service${region ? ` in ${region} region` : ''} not found`)
  return found.url
}

async function get(url: string, token: string): Promise<unknown> {
  const headers = { accept: 'application/json', 'x-auth-token': token }
  const { text } = await exchange(url, { method: 'GET', headers, redirect: 'error' }, REQUEST_TIMEOUT_MS)
  return JSON.parse(text)
}
