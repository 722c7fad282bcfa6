/** `ottavia lab ...`: test hosts, and a look into amphorae, for root on the machine of the embedded cloud. */
import type { Command } from 'commander'
import { RefusedError } from '../drivers/errors.ts'
import type { Lab } from '../embedded/lab/lab.ts'

export interface LabDependencies {
  /** Opens the lab of a state directory; undefined: the default one. */
  openLab(stateDirectory: string | undefined): Promise<{ lab: Lab; close(): Promise<void> }>
  print(line: string): void
  printError(line: string): void
}

/** Adds `lab` to the program. Each command's status is the process's: that of the command it ran, or 1 with a line that says why. */
export function addLabCommands(program: Command, dependencies: LabDependencies): void {
  const lab = program
    .command('lab')
    .description('test hosts of the embedded cloud, and its amphorae from inside (root, on this machine)')
    .option('--state <directory>', 'the state directory')
  const { print } = dependencies
  const action = (work: (lab: Lab) => Promise<number | void>) => inLab(dependencies, lab, work)

  const host = lab.command('host').description('hosts on a subnet')
  host
    .command('create <name> <command...>')
    .usage('NAME --subnet SUBNET -- COMMAND')
    .description('run a command on a new host; prints its address')
    .requiredOption('--subnet <subnet>', 'id or name')
    .action(async (name: string, command: string[], { subnet }: { subnet: string }) => {
      await action(async (it) => print((await it.createHost({ name, subnet, command, working_directory: process.cwd() })).ip_address))
    })
  host
    .command('list')
    .description('name, address, whether its command still runs, the command')
    .action(async () => {
      await action(async (it) => {
        for (const { name, ip_address, running, command } of await it.listHosts()) {
          print([name, ip_address, running ? 'running' : 'ended', command.join(' ').replaceAll('\n', ' ')].join('\t'))
        }
      })
    })
  host
    .command('delete <name>')
    .description('end the host and give back its address')
    .action(async (name: string) => {
      await action((it) => it.deleteHost(name))
    })

  lab
    .command('exec <name> <command...>')
    .usage('NAME -- COMMAND')
    .description('run a command on a host')
    .action(async (name: string, command: string[]) => {
      await action((it) => it.execOnHost(name, command))
    })

  const amphora = lab.command('amphora').description('amphorae, by compute id')
  amphora
    .command('kill <compute_id>')
    .description("SIGKILL to the amphora's init")
    .action(async (compute_id: string) => {
      await action((it) => it.killAmphora(compute_id))
    })
  amphora
    .command('exec <compute_id> <command...>')
    .usage('COMPUTE_ID [--inner] -- COMMAND')
    .description('run a command in an amphora')
    .option('--inner', "in amphora-haproxy, where the tenants' traffic is", false)
    .action(async (compute_id: string, command: string[], { inner }: { inner: boolean }) => {
      await action((it) => it.execInAmphora(compute_id, command, { inner }))
    })
}

async function inLab(dependencies: LabDependencies, command: Command, work: (lab: Lab) => Promise<number | void>): Promise<void> {
  const { lab, close } = await dependencies.openLab(command.opts<{ state?: string }>().state)
  try {
    const status = await work(lab)
    if (typeof status === 'number') process.exitCode = status
  } catch (error) {
    // Others are bugs or a broken machine: they are shown whole.
    if (!(error instanceof RefusedError)) throw error
    dependencies.printError(error.message)
    process.exitCode = 1
  } finally {
    await close()
  }
}
