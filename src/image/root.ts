/** An amphora's root file system: Debian's packages, the agent, its Node. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { bundleAgent } from '../agent/bundle.ts'
import { agentFile, nodeFile } from '../agent/program.ts'
import { exec } from '../lib/exec.ts'
import { INITRAMFS_WITHOUT, type Kernel, rootFiles } from './root-files.ts'

export const SUITE = 'bookworm'
const BOOTSTRAP_TIMEOUT_MS = 900_000

/** Besides Debian's required ones. */
const PACKAGES = [
  ...['haproxy', 'keepalived', 'ipvsadm', 'nftables', 'iproute2', 'conntrack', 'iputils-ping'],
  ...['systemd-sysv', 'udev', 'kmod', 'netbase', 'libstdc++6'],
  ...['initramfs-tools', 'zstd'],
]
const KERNELS: Record<Kernel, string> = { cloud: 'linux-image-cloud-amd64', generic: 'linux-image-amd64' }

/** Nobody reads them there; licences stay. */
const LEFT_OUT = ['/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*', '/usr/share/doc/*', INITRAMFS_WITHOUT]
const KEPT = ['/usr/share/doc/*/copyright', '/usr/share/locale/locale.alias']

export interface RootWishes {
  /** Package sources: Debian's archive, and its security updates. */
  mirror: string
  securityMirror: string
  kernel: Kernel
  ssh: boolean
  /** Seconds since 1970 that all files are from, so that the same packages make the same image. */
  epoch: number
}

export interface BuiltRoot {
  vmlinuz: string
  initrd: string
  squashfs: string
  /** `name version`, sorted by name. */
  packages: string[]
}

/** Makes the parts of an image in a working directory of its own, which has to be empty. */
export async function buildRoot(work: string, wishes: RootWishes): Promise<BuiltRoot> {
  const root = join(work, 'root')
  await writeTree(join(work, 'tree'), wishes)
  await bootstrap(work, wishes)
  const { stdout } = await exec('chroot', [root, 'dpkg-query', '-W'])
  const boot = { vmlinuz: takeOut(root, work, 'vmlinuz'), initrd: takeOut(root, work, 'initrd.img') }
  strip(root)
  const squashfs = join(work, 'root.squashfs')
  const times = ['-all-time', String(wishes.epoch), '-mkfs-time', String(wishes.epoch)]
  const compression = ['-comp', 'zstd', '-Xcompression-level', '12', '-b', '128K']
  const command = [root, squashfs, '-noappend', '-quiet', '-no-progress', '-no-exports', ...times, ...compression]
  await exec('mksquashfs', command, { timeoutMs: BOOTSTRAP_TIMEOUT_MS })
  return { ...boot, squashfs, packages: stdout.trim().replaceAll('\t', ' ').split('\n').sort() }
}

/** What goes over Debian's files, before the packages that look at it are installed. */
async function writeTree(tree: string, wishes: RootWishes): Promise<void> {
  for (const [path, { contents, target, mode = 0o644 }] of Object.entries(rootFiles(wishes))) {
    const place = join(tree, path)
    mkdirSync(dirname(place), { recursive: true })
    if (target === undefined) writeFileSync(place, contents ?? '', { mode })
    else symlinkSync(target, place)
  }
  mkdirSync(join(tree, dirname(nodeFile)), { recursive: true })
  mkdirSync(join(tree, 'etc/octavia'), { recursive: true })
  copyFileSync(realpathSync(process.execPath), join(tree, nodeFile))
  chmodSync(join(tree, nodeFile), 0o755)
  await bundleAgent(join(tree, agentFile))
}

async function bootstrap(work: string, { mirror, securityMirror, kernel, ssh, epoch }: RootWishes): Promise<void> {
  const packages = [...PACKAGES, KERNELS[kernel], ...(ssh ? ['openssh-server'] : [])]
  const options = [
    ...['--quiet', '--mode=root', '--format=directory', '--variant=minbase', '--components=main', '--architectures=amd64'],
    ...[`--include=${packages.join(',')}`, '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"'],
    ...LEFT_OUT.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...KEPT.map((path) => `--dpkgopt=path-include=${path}`),
    '--essential-hook=sync-in tree /',
    // Packages' scripts, and mmdebstrap itself, write some of them anew.
    '--customize-hook=sync-in tree /',
  ]
  const sources = [`deb ${mirror} ${SUITE} main`, `deb ${mirror} ${SUITE}-updates main`, `deb ${securityMirror} ${SUITE}-security main`]
  const env = { ...withoutPython(process.env), SOURCE_DATE_EPOCH: String(epoch), DEBIAN_FRONTEND: 'noninteractive' }
  const timeoutMs = BOOTSTRAP_TIMEOUT_MS
  await exec('mmdebstrap', [...options, SUITE, 'root', ...sources], { cwd: work, env, timeoutMs })
}

/** Packages' scripts should find Debian's own programs. */
function withoutPython(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { TMPDIR: _, PYTHONPATH: __, PYTHONHOME: ___, ...rest } = env
  return { ...rest, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }
}

/** The one file in /boot that begins so. */
function takeOut(root: string, work: string, name: string): string {
  const found = readdirSync(join(root, 'boot')).filter((file) => file.startsWith(`${name}-`))
  if (found.length !== 1) throw new Error(`the packages made ${found.length} files /boot/${name}-*, not one`)
  const place = join(work, name)
  renameSync(join(root, 'boot', found[0]!), place)
  return place
}

/** What is written to at run time begins empty; what differs from one build to the next goes. */
function strip(root: string): void {
  mkdirSync(join(root, 'usr/lib/ottavia'), { recursive: true })
  renameSync(join(root, 'var/lib/dpkg'), join(root, 'usr/lib/ottavia/dpkg'))
  for (const directory of ['var', 'boot', 'run', 'tmp', 'dev', 'root', 'usr/lib/ottavia/dpkg/updates']) empty(join(root, directory))
  for (const name of ['vmlinuz', 'vmlinuz.old', 'initrd.img', 'initrd.img.old']) rmSync(join(root, name), { force: true })
  // Each machine makes its own.
  for (const name of existsSync(join(root, 'etc/ssh')) ? readdirSync(join(root, 'etc/ssh')) : [])
    if (name.startsWith('ssh_host_')) rmSync(join(root, 'etc/ssh', name))
  // systemd makes one for the time that the machine runs.
  writeFileSync(join(root, 'etc/machine-id'), '')
}

function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true })
}
