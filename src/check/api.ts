/** The API: whether its port can be had here, and whether clients find it in the catalog. */
import { createServer } from 'node:net'
import { endpointIn } from '../drivers/openstack/login.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'

export async function checkApi({ config, services }: Look): Promise<Said[]> {
  const { bind_host, bind_port } = config.api_settings
  const code = await bindable(bind_host, bind_port)
  const place = `${bind_host} port ${bind_port}/tcp`
  const said: Said[] = []
  if (code === null) said.push(ok(`the API can be served on ${place}`))
  else if (code === 'EADDRINUSE')
    said.push(warning(`${place} is in use: by an API that runs already, or by something else`, `ss -tlpn 'sport = :${bind_port}'`))
  else said.push(error(`the API cannot be served on ${place}: ${code}`, '[api_settings] bind_host, bind_port'))
  if (services === null) return said
  const { catalog } = await services.session.who()
  const url = endpointIn(catalog, { type: 'load-balancer', name: null, interfaces: ['public'], region: null })
  if (url !== undefined) return [...said, ok(`clients find it at ${url}`)]
  const create = `openstack service create --name octavia load-balancer; openstack endpoint create --region REGION load-balancer public http://HOST:${bind_port}`
  return [...said, warning('the catalog has no public endpoint of type load-balancer, so clients do not find the API', create)]
}

function bindable(host: string, port: number): Promise<string | null> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', (failure: NodeJS.ErrnoException) => resolve(failure.code ?? failure.message))
    server.listen(port, host, () => server.close(() => resolve(null)))
  })
}
