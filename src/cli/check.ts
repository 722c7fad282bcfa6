/** `ottavia check`: whether this installation would work, before it starts. Ends with 0, or with 1 where something keeps it from working. */
import { type Command, Option } from 'commander'
import type { Finding } from '../check/finding.ts'

type CheckOptions = { config?: string; state?: string; set?: string[]; format: 'text' | 'json' }

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description(
      'whether all that octavia.conf names is there and works, before the start, and what to type where not; makes and changes nothing',
    )
    .option('--config <file>', 'an octavia.conf; default: what the last start was given')
    .option('--state <directory>', 'the state directory')
    .option('--set <section.option=value...>', 'as with `serve`')
    .addOption(new Option('-f, --format <format>', 'for people or for programs').choices(['text', 'json']).default('text'))
    .action(async ({ format, ...options }: CheckOptions) => {
      const [{ check }, { readInstallation }] = await Promise.all([import('../check/check.ts'), import('../main/installation.ts')])
      const warnings: string[] = []
      const config = readInstallation(options, (warning) => warnings.push(warning))
      const findings = await check({ config, warnings })
      console.log(format === 'json' ? JSON.stringify(findings, null, 2) : textOf(findings))
      process.exitCode = findings.some(({ level }) => level === 'error') ? 1 : 0
    })
}

export function textOf(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ area, level, says, type }) => [
    `${level.toUpperCase().padEnd(7)} ${area.padEnd(13)} ${says.replaceAll('\n', ' ')}`,
    ...(type === null ? [] : [`${' '.repeat(22)}-> ${type}`]),
  ])
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length
  return [...lines, `${count('error')} errors, ${count('warning')} warnings`].join('\n')
}
