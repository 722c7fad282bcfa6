/** The program: finds the command and loads only what it needs. */
import { Command } from 'commander'
import { addCheckCommand } from '../cli/check.ts'
import { addDbCommands } from '../cli/db.ts'
import { addFlowCommands } from '../cli/flow.ts'
import { addStatusCommand } from '../cli/status.ts'
import { VERSION } from '../lib/version.ts'
import type { WithInstallation } from './installation.ts'

const program = new Command('ottavia')
  .description('Load balancers as a service: the API of OpenStack Octavia, on any Linux machine')
  .version(VERSION)
const stateOption = ['--state <directory>', 'state directory; default OTTAVIA_STATE_DIR, else `var` in the checkout'] as const

program
  .command('serve')
  .description('serve the API and everything behind it, in the foreground')
  .option(...stateOption)
  .option('--config <file>', 'an octavia.conf')
  .option('--port-base <number>', 'load balancing there, identity +1, network +2, secrets +3, heartbeats +5/udp, compute +6, metrics +7')
  .option('--roles <roles>', 'some of api,worker,health-manager,housekeeping,embedded; default: all (several processes need PostgreSQL)')
  .option('--set <section.option=value...>', 'options of this process alone, such as api_settings.bind_port=9886')
  .option('--no-demo', 'make no demonstration at the first start')
  .action(async (options) => (await import('./serve.ts')).serve(options))

program
  .command('down')
  .description('take away every namespace, bridge, process and route that a state made')
  .option(...stateOption)
  .action(async (options) => (await import('./down.ts')).down(options))

const withInstallation: WithInstallation = async (state, work) => (await import('./installation.ts')).withInstallation(state, work)
addDbCommands(program, withInstallation)
addFlowCommands(program, withInstallation)
addStatusCommand(program, withInstallation)
addCheckCommand(program)

program
  .command('agent')
  .description("run on an amphora: the agent's API")
  .option('--config-file <file>', 'amphora-agent.conf')
  .option('--config-drive <directory>', 'a mounted config drive of OpenStack, whose files are put in their places first')
  .option('--machine', "with the machine's name, addresses and SSH keys, too: systemd-networkd is told and started")
  .action(async () => {
    await import('./agent.ts')
  })

// The lab's commands bring half of the embedded cloud with them: only who wants them waits for that.
if (process.argv[2] === 'lab') (await import('../cli/lab.ts')).addLabCommands(program, (await import('./lab.ts')).labDependencies)
else program.command('lab').description('test hosts of the embedded cloud, and its amphorae from inside (root, on this machine)')

// A hundred commands: likewise.
if (process.argv[2] === 'loadbalancer') (await import('../cli/loadbalancer/commander.ts')).addLoadBalancerCommands(program)
else program.command('loadbalancer').description('load balancers and all that belongs to them, as `openstack loadbalancer ...`')

if (process.argv[2] === 'image') (await import('../cli/image.ts')).addImageCommands(program)
else program.command('image').description('the image that Nova boots amphorae from')

if (process.argv[2] === 'amphora') (await import('../cli/amphora.ts')).addAmphoraCommands(program)
else program.command('amphora').description('replacing amphorae for a new image or agent, beside `openstack loadbalancer amphora ...`')

if (process.argv[2] === 'rotate') (await import('../cli/rotate.ts')).addRotateCommands(program, withInstallation)
else program.command('rotate').description('exchange CAs, certificates and keys between controllers and amphorae while they serve')

if (process.argv[2] === 'certificates') (await import('../cli/certificates.ts')).addCertificatesCommands(program)
else program.command('certificates').description('the CAs and the certificate of controllers, made before the first start')

if (process.argv[2] === 'orphans') (await import('../cli/orphans.ts')).addOrphanCommands(program, withInstallation)
else program.command('orphans').description('machines, ports and security groups that no load balancer and no amphora knows')

if (process.argv[2] === 'secret') (await import('../cli/secret.ts')).addSecretCommands(program)
else program.command('secret').description('secrets of the embedded cloud, beside `openstack secret ...`')

try {
  await program.parseAsync()
} catch (error) {
  console.error(`ottavia: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
