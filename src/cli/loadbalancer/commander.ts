/** Builds the command line from its table. What carries a command out is loaded when there is one to carry out. */
import { type Command, Option as CommanderOption } from 'commander'
import { type LookUp, type Noun, nouns, type Option, type Special, type SpecialName, specials } from './table.ts'

/** What the user typed. */
export interface Typed {
  /** By the option's flag, without its dashes: `vip-subnet-id`. */
  options: Record<string, unknown>
  arguments: string[]
}

export type Verb = 'create' | 'list' | 'show' | 'set' | 'unset' | 'delete'

/** Adds `loadbalancer` to the program. */
export function addLoadBalancerCommands(program: Command): void {
  const root = program
    .command('loadbalancer')
    .description(
      'load balancers and all that belongs to them, as `openstack loadbalancer ...`; who asks, and where, is in OS_* (source var/openrc)',
    )
  for (const noun of nouns) addNoun(root, noun)
  for (const [name, special] of Object.entries(specials)) addSpecial(root, name as SpecialName, special)
}

const tagsOfNew = [option('--tag <tag>', 'a tag; may be repeated').argParser(collected), option('--no-tag', 'no tags')]
const tagsOfPresent = [
  option('--tag <tag>', 'one more tag; may be repeated').argParser(collected),
  option('--no-tag', 'without the tags it has'),
]
const tagsToLose = [option('--tag <tag>', 'a tag that goes; may be repeated').argParser(collected), option('--all-tag', 'all tags go')]
const tagFilters = [
  option('--tags <tag,...>', 'with all of these tags'),
  option('--any-tags <tag,...>', 'with any of these tags'),
  option('--not-tags <tag,...>', 'not with all of these tags'),
  option('--not-any-tags <tag,...>', 'with none of these tags'),
]
const wait = option('--wait', 'until it is done')
const shown = [
  new CommanderOption('-f, --format <format>', 'how to print').choices(['table', 'json', 'value']).default('table'),
  option('-c, --column <name>', 'print this column alone; may be repeated').argParser(collected),
]

function addNoun(root: Command, noun: Noun): void {
  const { name, parent, createdIn, isProvisioned } = noun
  const changes = isProvisioned ? [wait] : []
  const place = parent ? [parent] : []
  const add = (verb: Verb, help: string, args: string[], options: CommanderOption[]) =>
    addCommand(root, [...noun.words, verb], help, args, options, async (typed) => (await import('./run.ts')).runVerb(noun, verb, typed))

  if (noun.create) {
    const args = createdIn ? [createdIn.noun] : place
    add('create', `create ${named(name)}`, args, [...noun.create.map(built), ...(isProvisioned ? tagsOfNew : []), ...changes, ...shown])
  }
  const long = noun.longColumns ? [option('--long', 'more columns')] : []
  add('list', `list ${plural(name)}`, place, [...noun.list.map(built), ...(isProvisioned ? tagFilters : []), ...long, ...shown])
  add('show', `show ${named(name)}`, [...place, name], shown)
  if (noun.set)
    add('set', `change ${named(name)}`, [...place, name], [...noun.set.map(built), ...(isProvisioned ? tagsOfPresent : []), ...changes])
  if (noun.unset)
    add(
      'unset',
      `clear fields of ${named(name)}`,
      [...place, name],
      [...noun.unset.map(built), ...(isProvisioned ? tagsToLose : []), ...changes],
    )
  if (noun.delete)
    add('delete', `delete ${named(name)}`, [...place, name], [...noun.delete.map(built), ...(noun.isGoneLater ? [wait] : changes)])
}

function addSpecial(root: Command, name: SpecialName, special: Special): void {
  const args = [special.parent, special.argument].filter((one) => one !== undefined)
  const options = [...special.options.map(built), ...(special.shows === 'nothing' ? [] : shown)]
  addCommand(root, special.words, special.help, args, options, async (typed) => (await import('./run.ts')).runSpecial(name, typed))
}

function addCommand(
  root: Command,
  words: readonly string[],
  help: string,
  args: readonly string[],
  options: readonly CommanderOption[],
  run: (typed: Typed) => Promise<void>,
): void {
  let group = root
  for (const word of words.slice(0, -1)) {
    group = group.commands.find((command) => command.name() === word) ?? group.command(word).description(`commands of ${word}`)
  }
  const command = group.command(words.at(-1)!).description(help)
  for (const arg of args) command.argument(`<${arg.replaceAll(' ', '_')}>`)
  for (const one of options) command.addOption(one)
  command.action(async () => {
    const values = options.map((one) => [one.long!.slice(2), command.getOptionValue(one.attributeName())] as const)
    await run({ options: Object.fromEntries(values.filter(([, value]) => value !== undefined)), arguments: command.args })
  })
}

function option(flags: string, help: string): CommanderOption {
  const one = new CommanderOption(flags, help)
  // `--no-tag` is a word of its own here: together with `--tag` both count.
  one.negate = false
  return one
}

function built({ flags, help, kind, mandatory, choices, conflicts }: Option): CommanderOption {
  const one = option(flags, choices ? `${help}: ${choices.join(', ')}` : help)
  if (mandatory) one.makeOptionMandatory()
  if (conflicts) one.conflicts(conflicts)
  if (kind === 'list' || kind === 'additional vip') one.argParser(collected)
  return one
}

function collected(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value]
}

const named = (noun: LookUp) => (/^[aeiou]|^l7/.test(noun) ? `an ${noun}` : `a ${noun}`)
const plural = (noun: LookUp) => (noun === 'l7policy' ? 'l7policies' : noun === 'amphora' ? 'amphorae' : `${noun}s`)
