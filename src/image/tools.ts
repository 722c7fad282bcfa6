/** The programs that an image is made with; all are Debian's. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const SEARCH_PATH = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Code of a disk's first sector that starts the active partition; of the package syslinux-common. */
export const bootSectorCode = '/usr/lib/syslinux/mbr/mbr.bin'

const tools = [
  { program: 'mmdebstrap', package: 'mmdebstrap' },
  { program: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring' },
  { program: 'mksquashfs', package: 'squashfs-tools' },
  { program: 'mcopy', package: 'mtools' },
  { program: 'syslinux', package: 'syslinux' },
  { program: bootSectorCode, package: 'syslinux-common' },
  { program: 'mke2fs', package: 'e2fsprogs' },
  { program: 'sfdisk', package: 'fdisk' },
  { program: 'qemu-img', package: 'qemu-utils' },
]

/** Throws, with what to type, where some are missing. */
export function requireTools(): void {
  const missing = tools.filter(({ program }) => !isThere(program))
  if (missing.length === 0) return
  const names = missing.map((tool) => tool.package).join(' ')
  throw new Error(`an image is made with ${names}, which this machine has not: type  apt-get install --no-install-recommends ${names}`)
}

function isThere(program: string): boolean {
  return program.startsWith('/') ? existsSync(program) : SEARCH_PATH.some((directory) => existsSync(join(directory, program)))
}
