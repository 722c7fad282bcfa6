/**
 * A disk that a BIOS starts: a boot partition (FAT, with SYSLINUX, the kernel and its initial RAM disk), the read-only root (squashfs) and an empty ext4 for
 * what is written. All of it is put together in files, so neither loop devices nor mounts are needed.
 */
import { statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exec } from '../lib/exec.ts'
import type { BuiltRoot } from './root.ts'
import { BOOT_CONFIGURATION, DISK_ID } from './root-files.ts'
import { bootSectorCode } from './tools.ts'

const MIB = 1024 * 1024
const SECTOR = 512
const BOOT_MIB = 64
/** As much as HAProxy's and keepalived's files and bounded logs never need. */
const MIN_DATA_MIB = 256
/** Of the file systems that have one. The same in each image: amphorae never see each other's disks. */
const DATA_UUID = '0c7a71a0-0000-4000-8000-000000000003'
const COPY_TIMEOUT_MS = 300_000

/** Writes `output` (qcow2). `sizeMib` is the disk's own size. Throws when the parts do not fit. */
export async function assembleDisk(
  work: string,
  built: BuiltRoot,
  options: { sizeMib: number; epoch: number; output: string },
): Promise<void> {
  const { sizeMib, epoch, output } = options
  const rootMib = Math.ceil(statSync(built.squashfs).size / MIB)
  const dataMib = sizeMib - 1 - BOOT_MIB - rootMib
  if (dataMib < MIN_DATA_MIB)
    throw new Error(
      `--size: the image needs ${1 + BOOT_MIB + rootMib + MIN_DATA_MIB} MiB at least, of which ${MIN_DATA_MIB} are for what amphorae write`,
    )
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(epoch), E2FSPROGS_FAKE_TIME: String(epoch), MTOOLS_SKIP_CHECK: '1' }
  const run = (command: string, args: string[], input?: string) => exec(command, args, { env, input, timeoutMs: COPY_TIMEOUT_MS })
  const disk = join(work, 'disk.raw')
  const boot = join(work, 'boot.fat')
  const data = join(work, 'data.ext4')

  await bootPartition(run, boot, built, work)
  sparse(data, dataMib)
  const features = ['-U', DATA_UUID, '-E', `hash_seed=${DATA_UUID},root_owner=0:0`, '-L', 'amphora-data', '-m', '0']
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', ...features, data])

  sparse(disk, sizeMib)
  const table = [
    'label: dos',
    `label-id: 0x${DISK_ID}`,
    `start=${sectors(1)}, size=${sectors(BOOT_MIB)}, type=c, bootable`,
    `start=${sectors(1 + BOOT_MIB)}, size=${sectors(rootMib)}, type=83`,
    `start=${sectors(1 + BOOT_MIB + rootMib)}, size=${sectors(dataMib)}, type=83`,
  ]
  await run('sfdisk', ['--quiet', disk], `${table.join('\n')}\n`)
  const put = (file: string, mib: number) =>
    run('dd', [`if=${file}`, `of=${disk}`, 'bs=1M', `seek=${mib}`, 'conv=notrunc,sparse', 'status=none'])
  await run('dd', [`if=${bootSectorCode}`, `of=${disk}`, 'bs=440', 'count=1', 'conv=notrunc', 'status=none'])
  await put(boot, 1)
  await put(built.squashfs, 1 + BOOT_MIB)
  await put(data, 1 + BOOT_MIB + rootMib)
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, output])
}

type Run = (command: string, args: string[]) => Promise<unknown>

async function bootPartition(run: Run, boot: string, { vmlinuz, initrd }: BuiltRoot, work: string): Promise<void> {
  const configuration = join(work, 'syslinux.cfg')
  writeFileSync(configuration, BOOT_CONFIGURATION)
  sparse(boot, BOOT_MIB)
  const geometry = ['-h', '64', '-s', '32', '-T', String(sectors(BOOT_MIB)), '-H', String(sectors(1))]
  await run('mformat', ['-i', boot, '-N', DISK_ID, '-v', 'BOOT', ...geometry, '::'])
  await run('mcopy', ['-i', boot, vmlinuz, '::vmlinuz'])
  await run('mcopy', ['-i', boot, initrd, '::initrd.img'])
  await run('mcopy', ['-i', boot, configuration, '::syslinux.cfg'])
  await run('syslinux', ['--install', boot])
}

function sparse(path: string, mib: number): void {
  writeFileSync(path, '')
  truncateSync(path, mib * MIB)
}

function sectors(mib: number): number {
  return (mib * MIB) / SECTOR
}
