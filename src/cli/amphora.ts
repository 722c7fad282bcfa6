/** `ottavia amphora rotate`: what operators do after a new image or a new version, beside `openstack loadbalancer amphora ...`. */
import { type Command, InvalidArgumentError } from 'commander'
import { ConnectionError, Fault } from '../client/index.ts'
import { idOf, LookUpError } from './loadbalancer/look-ups.ts'
import { openSession, SessionError } from './loadbalancer/session.ts'
import { rotateAmphorae, type Version, versionOf } from './rotate-amphorae.ts'

const DEFAULT_TIMEOUT_SECONDS = 600

interface Options {
  loadbalancer?: string
  createdBefore?: string
  image?: string
  olderThanAgent?: Version
  keepGoing?: true
  timeout: number
}

export function addAmphoraCommands(program: Command): void {
  program
    .command('amphora')
    .description('amphorae, for operators; who asks, and where, is in OS_* (source var/openrc)')
    .command('rotate')
    .description(
      'replace amphorae one after the other, for a new image or agent: of a pair the BACKUP first, each when the one before is in service',
    )
    .option('--loadbalancer <id>', 'those of this load balancer (name or ID); default: all, and the spare ones')
    .option('--created-before <time>', 'only those created before, such as 2026-11-26T12:00:00 (UTC)', time)
    .option('--image <id>', 'the new image: amphorae that have it already stay')
    .option('--older-than-agent <version>', 'only those whose agent is older, such as 0.2.0, or tells no version', version)
    .option('--keep-going', 'go on with other load balancers after one that failed')
    .option('--timeout <seconds>', 'how long to wait for a load balancer to be ACTIVE', seconds, DEFAULT_TIMEOUT_SECONDS)
    .action(rotate)
}

async function rotate({ loadbalancer, createdBefore, image, olderThanAgent, keepGoing, timeout }: Options): Promise<void> {
  try {
    const session = await openSession(process.env)
    const { replaced, failed, left, goesOnBefore } = await rotateAmphorae(
      session.client,
      {
        loadBalancerId: loadbalancer === undefined ? undefined : await idOf(session, 'load balancer', loadbalancer),
        createdBefore,
        imageId: image,
        olderThanAgent,
        keepsGoing: keepGoing ?? false,
        timeoutMs: timeout * 1_000,
      },
      (line) => process.stdout.write(`${line}\n`),
    )
    process.stdout.write(`${replaced} replaced, ${failed} failed, ${left} not tried\n`)
    if (failed === 0) return
    process.stdout.write(`what is left: ottavia amphora rotate --created-before ${createdBefore ?? goesOnBefore}\n`)
    process.exitCode = 1
  } catch (error) {
    if (![Fault, ConnectionError, SessionError, LookUpError].some((kind) => error instanceof kind)) throw error
    process.stderr.write(`${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

function time(text: string): string {
  const ms = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`)
  if (Number.isNaN(ms)) throw new InvalidArgumentError('It is not a time such as 2026-11-26T12:00:00.')
  return new Date(ms).toISOString().slice(0, 19)
}

function version(text: string): Version {
  const known = versionOf(text)
  if (known === undefined) throw new InvalidArgumentError('It is not a version such as 0.2.0.')
  return known
}

function seconds(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('It is not a number of seconds.')
  return value
}
