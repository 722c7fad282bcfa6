import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const haproxyIsInstalled = spawnSync('haproxy', ['-v']).error === undefined
export const keepalivedIsInstalled = spawnSync('keepalived', ['--version']).error === undefined

/** HAProxy's complaints about a configuration, warnings too; empty when it has none. A file is written to the directory. */
export function checkHaproxy(configuration: string, directory: string): string {
  const file = join(directory, 'haproxy.cfg')
  // The amphora's directory is not here, and HAProxy warns of a state file that it cannot read.
  const stateFile = join(directory, 'servers-state')
  writeFileSync(stateFile, '1\n')
  writeFileSync(file, configuration.replace(/^( {4}server-state-file) .*$/m, `$1 ${stateFile}`))
  // The peer's name is the amphora's, given on the command line there.
  const localPeer = /^ {4}peer (\S+)/m.exec(configuration)?.[1]
  const { stderr, stdout } = spawnSync('haproxy', ['-c', '-f', file, ...(localPeer === undefined ? [] : ['-L', localPeer])], {
    encoding: 'utf8',
  })
  return (stderr + stdout)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('Configuration file is valid') && !/^\[NOTICE\]/.test(line))
    .join('\n')
}

/**
 * What keepalived could not read of a configuration. On a machine without the amphora's interface and scripts it also warns, of which nothing is
 * said here; without the amphora's namespace it would read nothing at all. A file is written to the directory.
 */
export function complaintsOfKeepalived(configuration: string, directory: string): string[] {
  const file = join(directory, 'keepalived.conf')
  writeFileSync(file, configuration.replace(/^net_namespace .*$/m, ''))
  const { stderr, status } = spawnSync('keepalived', ['--config-test', '--use-file', file], { encoding: 'utf8' })
  if (status === null || status === 139) throw new Error(`keepalived ended by a signal: ${stderr}`)
  return stderr.split('\n').filter((line) => /unknown|invalid|missing|unexpected|extra|range|skipping|match/i.test(line))
}
