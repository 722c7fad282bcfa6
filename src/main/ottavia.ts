/** The program: finds the command and loads only what it needs. */
import { Command } from 'commander'

const program = new Command('ottavia')
  .description('Load balancers as a service: the API of OpenStack Octavia, on any Linux machine')
  .version('0.1.0')
const stateOption = ['--state <directory>', 'state directory; default OTTAVIA_STATE_DIR, else `var` in the checkout'] as const

program
  .command('serve')
  .description('serve the API and everything behind it, in the foreground')
  .option(...stateOption)
  .option('--config <file>', 'an octavia.conf')
  .option('--port-base <number>', 'load balancing there, identity +1, network +2, heartbeats +5/udp, compute +6')
  .option('--no-demo', 'make no demonstration at the first start')
  .action(async (options) => (await import('./serve.ts')).serve(options))

program
  .command('down')
  .description('take away every namespace, bridge, process and route that a state made')
  .option(...stateOption)
  .action(async (options) => (await import('./down.ts')).down(options))

const flow = program.command('flow').description('what the controller did, and why something failed')
flow
  .command('list')
  .description('flows, newest first')
  .option(...stateOption)
  .option('--config <file>', 'the octavia.conf that the controller has')
  .option('--load-balancer <id>', 'only of this load balancer')
  .option('--state-of-flow <state>', 'only in this state')
  .option('--limit <number>', 'at most so many', '50')
  .action(async (options) => (await import('../cli/flow.ts')).listFlowsCommand(options))
flow
  .command('show')
  .description('one flow with its steps')
  .argument('<id>')
  .option(...stateOption)
  .option('--config <file>', 'the octavia.conf that the controller has')
  .action(async (id, options) => (await import('../cli/flow.ts')).showFlowCommand(id, options))

program
  .command('agent')
  .description("run on an amphora: the agent's API")
  .requiredOption('--config-file <file>', 'amphora-agent.conf')
  .action(async () => {
    await import('./agent.ts')
  })

program
  .command('lab')
  .description("the embedded cloud's test hosts and amphorae, as root on this machine")
  .allowUnknownOption()
  .helpOption(false)
  .argument('[words...]')
  .passThroughOptions()
  .action(async () => {
    const { addLabCommands } = await import('../cli/lab.ts')
    const { labDependencies } = await import('./lab.ts')
    const lab = new Command('ottavia').exitOverride()
    addLabCommands(lab, labDependencies)
    await lab.parseAsync(process.argv)
  })
program.enablePositionalOptions()

try {
  await program.parseAsync()
} catch (error) {
  console.error(`ottavia: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}
