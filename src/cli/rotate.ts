/** `ottavia rotate ca|client-certificate|heartbeat-key`, `status`, `cancel`: what controllers and agents know each other by is exchanged while both run. */
import { X509Certificate } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Argument, type Command, Option } from 'commander'
import { timestamp } from '../lib/clock.ts'
import type { Installation, WithInstallation } from '../main/installation.ts'
import { withSecrets } from '../main/secrets.ts'
import { readTrust } from '../main/trust.ts'
import { listWithout } from '../resources/amphora/agents.ts'
import { kindsOf, optionsOf } from '../trust/own.ts'
import { beginRotation, cancelRotation, findRotation, listRotations } from '../trust/rotation.ts'
import { type Rotatable, type RotationRow, type RotationStage, rotatable } from '../trust/tables.ts'
import { type Credentials, credentialsOf } from '../trust/trust.ts'
import { formatTable } from './table.ts'

const WATCH_INTERVAL_MS = 500
const MAX_ROTATIONS = 5
const MAX_AGENTS = 50

/** What is waited for. */
const stages: Record<RotationStage, string> = {
  begin: 'a controller makes what is new',
  spread: 'controllers and agents learn that it counts',
  use: 'controllers use it, agents get what comes of it',
  leave: 'nobody uses what was before, and what is on its way arrives',
  drop: 'agents forget what was before',
}

type Options = { state?: string }

export function addRotateCommands(program: Command, withInstallation: WithInstallation): void {
  const rotate = program
    .command('rotate')
    .description('exchange CAs, certificates and keys between controllers and amphorae while they serve')
  const stateDirectory = () => new Option('--state <directory>', 'the state directory')

  rotate
    .command('begin', { isDefault: true, hidden: true })
    .addArgument(new Argument('<what>', 'what is exchanged').choices(rotatable))
    .description('exchange it; a running controller does the work')
    .addOption(stateDirectory())
    .option('--wait', 'until it is done')
    .action((what: Rotatable, options: Options & { wait?: true }) =>
      withInstallation(options.state, (it) => begin(it, what, options.wait === true)),
    )
  rotate
    .command('status')
    .description('how far it is, and which amphorae lack something')
    .addOption(stateDirectory())
    .action((options: Options) => withInstallation(options.state, showStatus))
  rotate
    .command('cancel')
    .description('take back what is new, as long as nobody uses it')
    .addOption(stateDirectory())
    .action((options: Options) =>
      withInstallation(options.state, async ({ db }) => {
        if (!(await cancelRotation(db, Date.now()))) throw new Error('nothing is being rotated')
        console.log('cancelled; agents are told by and by')
      }),
    )
}

async function begin({ db, config }: Installation, what: Rotatable, waits: boolean): Promise<void> {
  const theirs = optionsOf(config, what)
  if (kindsOf(config, what).length === 0) throw new Error(`${theirs.join(' and ')} is set: exchange the files yourself (docs/rotations.md)`)
  if (theirs.length > 0) console.log(`${theirs.join(' and ')} is set: that part is yours to exchange (docs/rotations.md)`)
  const { id } = await beginRotation(db, what, Date.now())
  if (!waits) {
    console.log('begun; see `ottavia rotate status`')
    return
  }
  let shown: RotationStage | undefined
  for (;;) {
    const rotation = await findRotation(db)
    if (rotation?.id !== id) break
    if (rotation.stage !== shown) console.log(`${rotation.stage}: ${stages[rotation.stage]}`)
    shown = rotation.stage
    await sleep(WATCH_INTERVAL_MS)
  }
  console.log('done')
}

async function showStatus({ db, config }: Installation): Promise<void> {
  const rotations = await listRotations(db, MAX_ROTATIONS)
  const ofRotation = ({ what, stage, slot, started_at_ms, ended_at_ms }: RotationRow) => [
    what,
    slot === null ? 'ended' : `${stage}: ${stages[stage]}`,
    timestamp(started_at_ms),
    ended_at_ms === null ? '' : timestamp(ended_at_ms),
  ]
  if (rotations.length > 0) console.log(formatTable(['rotation', 'stage', 'begun at', 'ended at'], rotations.map(ofRotation)))

  const materials = await db.selectFrom('trust_material').select(['kind', 'state', 'certificate', 'created_at_ms']).execute()
  const rows = materials.toSorted((a, b) => `${a.kind} ${a.state}`.localeCompare(`${b.kind} ${b.state}`))
  const ofMaterial = ({ kind, state, certificate, created_at_ms }: (typeof rows)[number]) => {
    const opened = certificate === null ? null : new X509Certificate(certificate)
    const end = opened === null ? '' : timestamp(opened.validToDate.getTime())
    return [kind, state, timestamp(created_at_ms), end, opened?.fingerprint256 ?? '']
  }
  console.log(formatTable(['kind', 'state', 'made at', 'ends at', 'fingerprint'], rows.map(ofMaterial)))

  const wanted = credentialsOf(await readTrust(db, withSecrets(config)))
  const lacking = await listWithout(db, wanted, MAX_AGENTS)
  if (lacking.length === 0) {
    console.log('all amphorae have what they should have')
    return
  }
  const ofAgent = (agent: (typeof lacking)[number]) => [
    agent.amphora_id,
    agent.loadbalancer_id ?? '',
    agent.status,
    lacks(agent, wanted).join(', '),
    agent.takes_client_cas ? (agent.problem ?? '') : 'its agent cannot be told of CAs: replace it (amphora failover)',
  ]
  console.log(formatTable(['amphora', 'load balancer', 'status', 'lacks', 'problem'], lacking.map(ofAgent)))
}

function lacks(agent: Credentials, wanted: Credentials): string[] {
  const names = { server_ca: 'a certificate', client_cas: 'CAs of controllers', heartbeat_key: 'the heartbeat key' } as const
  return (Object.keys(names) as (keyof Credentials)[]).filter((key) => agent[key] !== wanted[key]).map((key) => names[key])
}
