/** `ottavia image build`: an amphora image, with what is in it written beside it. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { sha256Of } from './checksum.ts'
import { assembleDisk } from './disk.ts'
import { buildRoot, type RootWishes } from './root.ts'
import { requireTools } from './tools.ts'

export interface ImageWishes extends RootWishes {
  /** The qcow2. */
  output: string
  /** Of the disk that the machine sees. */
  sizeMib: number
  say(line: string): void
}

export interface BuiltImage {
  output: string
  bytes: number
  sha256: string
  packages: string[]
}

/** Writes the image, `NAME.packages` (name and version, a line each) and `NAME.sha256` beside it. Needs root, as mmdebstrap's packages' scripts do. */
export async function buildImage({ output, sizeMib, say, ...wishes }: ImageWishes): Promise<BuiltImage> {
  requireTools()
  if (process.getuid?.() !== 0) throw new Error('an image is made as root: its files are')
  if (process.arch !== 'x64') throw new Error('images are for x86-64 and are made on it: the agent’s Node is this machine’s')
  mkdirSync(dirname(output), { recursive: true })
  const work = mkdtempSync(join(existsSync('/var/tmp') ? '/var/tmp' : tmpdir(), 'ottavia-image-'))
  const timed = async <T>(what: string, made: Promise<T>): Promise<T> => {
    const beganAt = performance.now()
    const result = await made
    say(`${what}: ${((performance.now() - beganAt) / 1000).toFixed(1)} s`)
    return result
  }
  try {
    const built = await timed('packages and root file system', buildRoot(work, wishes))
    await timed('disk', assembleDisk(work, built, { sizeMib, epoch: wishes.epoch, output }))
    const sha256 = await timed('checksum', sha256Of(output))
    const list = `${stem(output)}.packages`
    writeFileSync(list, built.packages.map((line) => `${line}\n`).join(''))
    writeFileSync(`${stem(output)}.sha256`, `${sha256}  ${basename(output)}\n${await sha256Of(list)}  ${basename(list)}\n`)
    return { output, bytes: statSync(output).size, sha256, packages: built.packages }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function stem(path: string): string {
  return path.replace(/\.qcow2$/, '')
}
