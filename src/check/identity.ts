/** Keystone: whether tokens of users can be validated, and who the service is for the other services. */

import { identityDriverOf } from '../drivers/identity/index.ts'
import { keystoneIdentityDriver } from '../drivers/identity/keystone.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import type { Look } from './check.ts'
import { error, ok, type Said, warning } from './finding.ts'
import { wordsOfFailure } from './services.ts'

export async function checkIdentity(look: Look): Promise<Said[]> {
  return [...(await users(look)), ...(await service(look))]
}

async function users({ config }: Look): Promise<Said[]> {
  if (config.api_settings.auth_strategy !== 'keystone')
    return [ok(`nobody is asked who he is (auth_strategy = ${config.api_settings.auth_strategy})`)]
  if (identityDriverOf(config) === 'embedded') return [ok("the embedded cloud's own users, projects and tokens")]
  const { auth_url, username, user_id } = config.keystone_authtoken
  const driver = keystoneIdentityDriver({ config, clock: systemClock, log: createLog('silent') })
  try {
    await driver.validate('made-up-by-ottavia-check')
    return [ok(`tokens of users are validated at ${auth_url}`)]
  } catch (failure) {
    const who = username ?? user_id
    return [
      error(
        `tokens of users cannot be validated at ${auth_url}: ${wordsOfFailure(failure)}`,
        `[keystone_authtoken]: auth_url, username, password, project_name and their domains; the user needs a role that may validate: openstack role add --user ${who} --project service service`,
      ),
    ]
  } finally {
    driver.close()
  }
}

async function service({ config, services }: Look): Promise<Said[]> {
  if (services === null) return []
  const { auth_url } = config.service_auth
  try {
    const { user_id, project_id, roles } = await services.session.who()
    if (project_id === null) {
      return [
        error(
          `the service user ${user_id} has a token without a project`,
          '[service_auth] project_name: the project that amphorae belong to',
        ),
      ]
    }
    const said = [ok(`the service user is ${user_id} with the roles ${[...roles].sort().join(', ')} on project ${project_id}`)]
    if (!roles.includes('admin')) {
      said.push(
        warning(
          'the service user lacks the role admin on its project, which Neutron and Nova ask for by their default policies',
          `openstack role add --user ${user_id} --project ${project_id} admin`,
        ),
      )
    }
    return said
  } catch (failure) {
    return [
      error(
        `the service user cannot log in at ${auth_url}, so no other service can be asked: ${wordsOfFailure(failure)}`,
        '[service_auth]: auth_url, username, password, project_name, user_domain_name, project_domain_name (and cafile for TLS)',
      ),
    ]
  }
}
