/**
 * The amphora image, made and used, without KVM and in a sandbox without uplink: `npm run test:image [-- OPTIONS]`. By default it boots under QEMU by itself
 * (`qemu-story.ts`), `--openstack` lets Nova boot it (`openstack-story.ts`), `--variants` makes and boots it as operators may besides (`variants-story.ts`).
 * Prints how long each step took. Needs root and Debian's package mirror.
 * `--image FILE` takes one that is there; `--keep FILE` keeps the one that is built.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { enterSandbox, insideSandbox } from '../support/sandbox.ts'
import { printTime } from './timed.ts'

const MOST_BUILD_SECONDS = 300
const MOST_MIB = 500

const thisFile = fileURLToPath(import.meta.url)
process.chdir(fileURLToPath(new URL('../..', import.meta.url)))
const { values: options } = parseArgs({
  options: {
    image: { type: 'string' },
    keep: { type: 'string' },
    openstack: { type: 'boolean', default: false },
    variants: { type: 'boolean', default: false },
  },
})
if (options.openstack && options.variants) throw new Error('--openstack and --variants want images of their own: one after the other')
// Packages come from outside of the sandbox; what is made of them goes into it.
if (process.env.OTTAVIA_SANDBOX !== '1') {
  if (options.openstack) await succeeds(spawn(process.execPath, ['setup/setup.mjs', 'image-openstack'], { stdio: 'inherit' }))
  if (options.image === undefined) {
    const { image, isWithinBounds } = await build()
    const status = await enterSandbox([process.execPath, thisFile, ...process.argv.slice(2), '--image', image])
    process.exit(isWithinBounds ? status : 1)
  }
}
await insideSandbox(thisFile)

const image = resolve(options.image!)
try {
  // Each brings what it needs up when it is loaded or begun.
  if (options.openstack) await (await import('./openstack-story.ts')).inOpenStack(image)
  else if (options.variants) await (await import('./variants-story.ts')).inVariants(image)
  else await (await import('./qemu-story.ts')).underQemu(image)
  console.log('the image works')
} catch (error) {
  console.error(error)
  process.exitCode = 1
}
process.exit()

/** Beyond the bounds an image is looked at all the same. */
async function build(): Promise<{ image: string; isWithinBounds: boolean }> {
  const output = options.keep === undefined ? join(mkdtempSync(join(tmpdir(), 'ottavia-image-')), 'amphora.qcow2') : resolve(options.keep)
  if (options.keep === undefined) process.on('exit', () => rmSync(join(output, '..'), { recursive: true, force: true }))
  const beganAt = performance.now()
  const wishes = options.variants ? ['--kernel', 'generic', '--ssh'] : []
  await succeeds(spawn('bin/ottavia', ['image', 'build', '--output', output, ...wishes], { stdio: 'inherit' }))
  const seconds = (performance.now() - beganAt) / 1000
  const mib = statSync(output).size / 1024 / 1024
  printTime(beganAt, `built, ${mib.toFixed(0)} MiB`)
  const isWithinBounds = seconds <= MOST_BUILD_SECONDS && mib <= MOST_MIB
  if (!isWithinBounds) console.error(`an image should take ${MOST_BUILD_SECONDS} s and ${MOST_MIB} MiB at most`)
  return { image: output, isWithinBounds }
}

/** What fails has said why. */
async function succeeds(child: ChildProcess): Promise<void> {
  const status = await new Promise((ended) => child.once('exit', ended))
  if (status !== 0) process.exit(1)
}
