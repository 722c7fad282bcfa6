/** `ottavia secret renew`: a certificate is replaced under the reference that load balancers know. The rest is `openstack secret ...`. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { parseReference } from '../drivers/certificates/reference.ts'
import { callersPath } from '../main/configuration.ts'
import { openSession } from './loadbalancer/session.ts'

export function addSecretCommands(program: Command): void {
  program
    .command('secret')
    .description('secrets of the embedded cloud, beside `openstack secret ...`; who asks, and where, is in OS_* (source var/openrc)')
    .command('renew')
    .description('replace what a secret holds')
    .argument('<reference>', 'its address, or its id')
    .requiredOption('--file <file>', 'the new contents, such as a PKCS#12 bundle')
    .option('--text', 'the contents are text, such as PEM')
    .action(async (reference: string, { file, text }: { file: string; text?: true }) => {
      const secret = parseReference(reference)
      if (secret === null || secret.kind === 'containers') throw new Error(`${reference} is no reference to a secret`)
      const { putSecret } = await openSession(process.env)
      const contentType = text ? 'text/plain' : 'application/octet-stream'
      await putSecret(`/v1/secrets/${secret.id}/payload`, contentType, readFileSync(callersPath(file)))
    })
}
