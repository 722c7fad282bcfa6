// Installs what `npm start` or `npm test` needs and finds missing. Plain JavaScript, because it runs on the machine's own Node (>= 20)
// before anything is installed. Says in a line each what it installs and why; does nothing when nothing is missing.
import { spawn } from 'node:child_process'
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

const missing = packagesFor[purpose].filter(({ provides }) => !present(provides))
// Side by side, since each is one core's work. When one has failed the other still comes to its end: apt is not to be cut short.
const problems = await Promise.all([installDebianPackages(missing), installNpmPackages()])
const problem = problems.filter((one) => one !== null).join('\n')
if (problem !== '') fail(problem)

function present(provides) {
  return provides.startsWith('/') ? existsSync(provides) : SEARCH_PATH.some((directory) => existsSync(join(directory, provides)))
}

/** Answers what went wrong, or null. */
async function installDebianPackages(missing) {
  if (missing.length === 0) return null
  const names = missing.map((entry) => entry.package)
  const command = `apt-get install --no-install-recommends ${names.join(' ')}`
  if (process.getuid() !== 0) fail(`${names.join(', ')} missing: type  sudo node setup/setup.mjs ${purpose}  or, as root,  ${command}`)
  if (!present('apt-get')) fail(`${names.join(', ')} missing, and this machine has no apt-get: install them by its own means`)
  for (const { package: name, why } of missing) console.log(`set-up: installing Debian package ${name}: ${why}`)
  const restore = forbidServiceStarts()
  const problem = (await apt('update')) ?? (await apt('install', '--no-install-recommends', ...names))
  restore()
  if (problem !== null) return problem
  const absent = missing.filter(({ provides }) => !present(provides))
  return absent.length === 0 ? null : `after the installation there is still no ${absent.map(({ provides }) => provides).join(', ')}`
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
  // The policy holds as long as apt is at work, which is not cut short; what a signal ended is not a success.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      process.exitCode = 1
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
  return run('apt-get', [...options, verb, ...words], { env }, `apt-get ${verb}`)
}

/** Answers what went wrong, or null. */
async function installNpmPackages() {
  // npm's own record of what lies in node_modules says nothing of the lock file it came from, hence a stamp of our own.
  const stampFile = join(checkout, 'node_modules', '.ottavia-lock-sha256')
  const stamp = createHash('sha256')
    .update(readFileSync(join(checkout, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return null
  console.log('set-up: installing npm packages, Node 24 among them: the lock file and node_modules differ')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const problem = await run('npm', args, { cwd: checkout }, 'npm ci')
  if (problem === null) writeFileSync(stampFile, stamp)
  return problem
}

/** Answers null, or all that it said where it failed. */
function run(command, args, options, name) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said += text
      })
    }
    child.on('error', (error) => resolve(`${name} cannot be started: ${error.message}`))
    child.on('close', (status, signal) => resolve(status === 0 ? null : `${name} ended with ${signal ?? `status ${status}`}:\n${said}`))
  })
}

function fail(message) {
  console.error(`set-up: ${message}`)
  process.exit(1)
}
