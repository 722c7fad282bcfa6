// Installs what `npm start` or `npm test` needs and finds missing. Plain JavaScript, because it runs on the machine's own Node (>= 20)
// before anything is installed. Says in a line each what it installs and why; does nothing when nothing is missing.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packagesFor } from './packages.mjs'

const POLICY = '/usr/sbin/policy-rc.d'
const SET_ASIDE = '/usr/sbin/policy-rc.d.ottavia-set-aside'
const SEARCH_PATH = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/local/bin']
/** Other package managers may be at work; apt waits this long for its lock. */
const APT_LOCK_SECONDS = 300

const checkout = fileURLToPath(new URL('..', import.meta.url))
const purpose = process.argv[2]
if (!(purpose in packagesFor)) fail(`usage: node setup/setup.mjs ${Object.keys(packagesFor).join('|')}`)

installDebianPackages(packagesFor[purpose].filter(({ provides }) => !present(provides)))
installNpmPackages()

function present(provides) {
  return provides.startsWith('/') ? existsSync(provides) : SEARCH_PATH.some((directory) => existsSync(join(directory, provides)))
}

function installDebianPackages(missing) {
  if (missing.length === 0) return
  const names = missing.map((entry) => entry.package)
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`
  if (process.getuid() !== 0) fail(`${names.join(', ')} missing: type  sudo node setup/setup.mjs ${purpose}  or, as root,  ${command}`)
  if (!present('apt-get')) fail(`${names.join(', ')} missing, and this machine has no apt-get: install them by its own means`)
  for (const { package: name, why } of missing) console.log(`set-up: installing Debian package ${name}: ${why}`)
  const restore = forbidServiceStarts()
  // fail() leaves at once, so the policy goes first.
  const problem = apt('update') ?? apt('install', '--no-install-recommends', ...names)
  restore()
  if (problem !== null) fail(problem)
  const absent = missing.filter(({ provides }) => !present(provides))
  if (absent.length > 0) fail(`after the installation there is still no ${absent.map(({ provides }) => provides).join(', ')}`)
}

/** invoke-rc.d asks policy-rc.d before it starts a service; 101 means no. One that was there before comes back afterwards. */
function forbidServiceStarts() {
  const ours = '#!/bin/sh\n# Laid here by the set-up of Ottavia for the time of one installation.\nexit 101\n'
  const restore = () => {
    if (existsSync(POLICY) && readFileSync(POLICY, 'utf8') === ours) rmSync(POLICY)
    if (existsSync(SET_ASIDE)) renameSync(SET_ASIDE, POLICY)
  }
  restore() // what a killed set-up left
  if (existsSync(POLICY)) renameSync(POLICY, SET_ASIDE)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      restore()
      process.exit(1)
    })
  }
  writeFileSync(POLICY, ours)
  chmodSync(POLICY, 0o755)
  return restore
}

function apt(verb, ...words) {
  const options = [
    '-qq',
    '-y',
    '-o',
    `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`,
    '-o',
    'Dpkg::Options::=--force-confold',
    '-o',
    'Dpkg::Use-Pty=0',
  ]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' }
  const { status, stdout, stderr } = spawnSync('apt-get', [...options, verb, ...words], {
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return status === 0 ? null : `apt-get ${verb} ended with status ${status}:\n${stdout}${stderr}`
}

function installNpmPackages() {
  // npm's own record of what lies in node_modules says nothing of the lock file it came from, hence a stamp of our own.
  const stampFile = join(checkout, 'node_modules', '.ottavia-lock-sha256')
  const stamp = createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  console.log('set-up: installing npm packages, Node 24 among them: the lock file and node_modules differ')
  const { status, stdout, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: checkout,
    encoding: 'utf8',
  })
  if (status !== 0) fail(`npm ci ended with status ${status}:\n${stdout}${stderr}`)
  writeFileSync(stampFile, stamp)
}

function fail(message) {
  console.error(`set-up: ${message}`)
  process.exit(1)
}
