import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { type FirstPasswords, writePrivateFile } from './bootstrap.ts'
import { regionId, servicesOf } from './endpoints.ts'

/**
 * Writes `openrc` (user and project admin), `openrc-demo` and `clouds.yaml` (clouds `ottavia` and `ottavia-demo`), mode 0600, into the
 * state directory; those of an earlier start are replaced, because the ports may have changed. Returns their paths.
 */
export async function writeClientFiles(
  config: Config,
  passwords: FirstPasswords,
): Promise<{ openrc: string; openrcDemo: string; cloudsYaml: string }> {
  const authUrl = servicesOf(config, '127.0.0.1').find((service) => service.type === 'identity')!.endpoints[0]!.url
  const openrc = join(config.stateDirectory, 'openrc')
  const openrcDemo = join(config.stateDirectory, 'openrc-demo')
  const cloudsYaml = join(config.stateDirectory, 'clouds.yaml')
  await writePrivateFile(openrc, environment(authUrl, 'admin', passwords.admin))
  await writePrivateFile(openrcDemo, environment(authUrl, 'demo', passwords.demo))
  await writePrivateFile(
    cloudsYaml,
    `clouds:\n${cloud('ottavia', authUrl, 'admin', passwords.admin)}${cloud('ottavia-demo', authUrl, 'demo', passwords.demo)}`,
  )
  return { openrc, openrcDemo, cloudsYaml }
}

/** User and project have the same name. */
function environment(authUrl: string, name: string, password: string): string {
  const variables = {
    OS_AUTH_TYPE: 'password',
    OS_AUTH_URL: authUrl,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: name,
    OS_PASSWORD: password,
    OS_USER_DOMAIN_ID: 'default',
    OS_PROJECT_NAME: name,
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_REGION_NAME: regionId,
  }
  // What another openrc may have left behind and would win over these.
  const forget =
    'unset OS_CLOUD OS_TOKEN OS_ENDPOINT OS_PROJECT_ID OS_USER_ID OS_DOMAIN_ID OS_DOMAIN_NAME OS_SYSTEM_SCOPE OS_USER_DOMAIN_NAME OS_PROJECT_DOMAIN_NAME\n'
  return (
    forget +
    Object.entries(variables)
      .map(([key, value]) => `export ${key}='${value}'\n`)
      .join('')
  )
}

function cloud(name: string, authUrl: string, user: string, password: string): string {
  return `  ${name}:
    auth:
      auth_url: "${authUrl}"
      username: "${user}"
      password: "${password}"
      user_domain_id: "default"
      project_name: "${user}"
      project_domain_id: "default"
    region_name: "${regionId}"
    identity_api_version: 3
`
}
