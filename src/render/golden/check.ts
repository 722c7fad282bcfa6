import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createCertificateAuthority } from '../../lib/certificate-authority.ts'
import { createRevocationList } from '../../lib/revocation-list.ts'

export const haproxyIsInstalled = spawnSync('haproxy', ['-v']).error === undefined
export const keepalivedIsInstalled = spawnSync('keepalived', ['--version']).error === undefined

const CERTIFICATES = '/var/lib/octavia/certs'

/** What stands for every certificate, with its key, and for every revocation list. */
const authority = await createCertificateAuthority({ common_name: 'throw-away', validitySeconds: 3_600 })
const bundle = `${authority.certificate}${authority.key}`
const revocationList = await createRevocationList(authority)

/** HAProxy's complaints about a configuration, warnings too; empty when it has none. Files are written to the directory. */
export function checkHaproxy(configuration: string, directory: string): string {
  const file = join(directory, 'haproxy.cfg')
  // The amphora's directory is not here, and HAProxy warns of a state file that it cannot read.
  const stateFile = join(directory, 'servers-state')
  writeFileSync(stateFile, '1\n')
  const local = configuration.replace(/^( {4}server-state-file) .*$/m, `$1 ${stateFile}`).replaceAll(CERTIFICATES, join(directory, 'certs'))
  writeFileSync(file, local)
  writeCertificates(local)
  // The peer's name is the amphora's, given on the command line there.
  const localPeer = /^ {4}peer (\S+)/m.exec(configuration)?.[1]
  // Our agent's, which takes the log itself, comes first.
  const additions = join(directory, 'additions.cfg')
  writeFileSync(additions, 'global\n    log stdout local0\n')
  const { stderr, stdout } = spawnSync(
    'haproxy',
    ['-c', '-f', additions, '-f', file, ...(localPeer === undefined ? [] : ['-L', localPeer])],
    {
      encoding: 'utf8',
    },
  )
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

function writeCertificates(configuration: string): void {
  const write = (path: string, text: string) => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  for (const [, keyword, path] of configuration.matchAll(/ (crt-list|crt|ca-file|crl-file) (\/\S+)/g)) {
    if (keyword !== 'crt-list') write(path!, keyword === 'crl-file' ? revocationList : bundle)
    else {
      write(`${path}.default`, bundle)
      write(path!, `${path}.default\n`)
    }
  }
}
