/**
 * What an amphora's root file system has besides Debian's packages and the agent. The root is a read-only squashfs; what must outlive a restart is on
 * the disk's third partition, mounted at /var; the certificates of tenants are on a tmpfs.
 */
import { readFileSync } from 'node:fs'
import { AGENT_ENVIRONMENT, AGENT_PROGRAM } from '../agent/program.ts'

/** The disk's name in its partition table; partitions are found by it, whatever bus the disk is on. */
export const DISK_ID = '0c7a71a0'
const partition = (number: number) => `PARTUUID=${DISK_ID}-0${number}`

/** Debian's, by what it is for. */
export type Kernel = 'cloud' | 'generic'

export interface RootFile {
  contents?: string
  /** Default 0644. */
  mode?: number
  /** Of a symbolic link. */
  target?: string
}

/** Mounted here for the agent. */
const CONFIG_DRIVE = '/run/config-drive'
/** How long it may take to appear; an emulated machine on a busy host is slow. */
const CONFIG_DRIVE_SECONDS = 300

/** Units of Debian's packages that an amphora has no use for, or that are the agent's to start. Each costs an emulated machine a part of a second. */
const MASKED_UNITS = [
  ...['haproxy.service', 'keepalived.service', 'ipvsadm.service', 'nftables.service'],
  ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'dpkg-db-backup.timer', 'fstrim.timer'],
  ...['e2scrub_all.timer', 'e2scrub_reap.service', 'logrotate.timer'],
  ...[
    'systemd-networkd-wait-online.service',
    'systemd-pstore.service',
    'systemd-update-utmp.service',
    'systemd-update-utmp-runlevel.service',
    'systemd-random-seed.service',
  ],
  ...['systemd-journal-flush.service', 'systemd-modules-load.service', 'systemd-remount-fs.service', 'systemd-binfmt.service'],
  ...['systemd-ask-password-console.path', 'systemd-ask-password-wall.path', 'systemd-initctl.socket', 'systemd-fsckd.socket'],
  ...['systemd-journald-audit.socket', 'kmod-static-nodes.service', 'modprobe@.service'],
  ...['dev-hugepages.mount', 'dev-mqueue.mount', 'sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-kernel-config.mount'],
  ...['sys-fs-fuse-connections.mount', 'proc-sys-fs-binfmt_misc.automount'],
  // Nobody can log in on a console.
  ...['getty.target', 'getty@.service', 'serial-getty@.service'],
]
/** Of use only where somebody logs in. */
const MASKED_LOGINS = ['systemd-logind.service', 'systemd-user-sessions.service']

const MASKED_GENERATORS = [
  'cryptsetup',
  'debug',
  'getty',
  'gpt-auto',
  'hibernate-resume',
  'integritysetup',
  'rc-local',
  'run',
  'system-update',
  'sysv',
  'veritysetup',
]

/** For hardware that no virtual machine of a cloud has. */
const MASKED_UDEV_RULES = [
  ...['60-autosuspend', '60-drm', '60-evdev', '60-fido-id', '60-infiniband', '60-input-id', '60-persistent-alsa', '60-persistent-input'],
  ...[
    '60-persistent-storage-tape',
    '60-persistent-v4l',
    '60-sensor',
    '60-serial',
    '64-btrfs',
    '70-camera',
    '70-joystick',
    '70-memory',
    '70-mouse',
  ],
  ...[
    '70-power-switch',
    '70-touchpad',
    '73-special-net-names',
    '75-net-description',
    '75-probe_mtd',
    '78-sound-card',
    '80-debian-compat',
    '81-net-dhcp',
  ],
]

/** What of the devices that are there at the start needs a driver or a name. */
const COLDPLUGGED = ['pci', 'virtio', 'scsi', 'block', 'net']

const COLDPLUG_UNIT = `[Service]
ExecStart=
ExecStart=-udevadm trigger --action=add ${COLDPLUGGED.map((subsystem) => `--subsystem-match=${subsystem}`).join(' ')}
`

export const KERNEL_OPTIONS = [
  ...[`root=${partition(2)}`, 'rootfstype=squashfs', 'ro'],
  // eth0, eth1 as the clouds' own images have them.
  'net.ifnames=0',
  ...['console=tty0', 'console=ttyS0,115200'],
  ...['quiet', 'loglevel=4'],
  // An emulated timer on a busy host comes later than the kernel waits for it, and then it would give up.
  'no_timer_check',
  // A kernel that gave up is started anew; the health manager sees the rest.
  'panic=10',
].join(' ')

/** Of the boot partition. */
export const BOOT_CONFIGURATION = `DEFAULT amphora\nPROMPT 0\nTIMEOUT 0\nLABEL amphora\n  LINUX vmlinuz\n  INITRD initrd.img\n  APPEND ${KERNEL_OPTIONS}\n`

/** By what buses clouds attach disks and config drives, and the root's file system. */
const BOOT_MODULES = { cloud: ['ata_piix'], generic: ['ata_piix', 'ahci'] }
const BOOT_MODULES_OF_ALL = ['virtio_pci', 'virtio_blk', 'virtio_scsi', 'sd_mod', 'sr_mod', 'squashfs']

/** Those are simply loaded: udev, to find them, would take longer than all else there. */
export const INITRAMFS_WITHOUT = '/usr/share/initramfs-tools/*/udev'

const INITRAMFS_HOOK = (kernel: Kernel) => `#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
for module in ${[...BOOT_MODULES_OF_ALL, ...BOOT_MODULES[kernel]].join(' ')}; do force_load "$module"; done
copy_exec /sbin/blkid
`

/** What udev's script does there besides: the root has no devices of its own. */
const INITRAMFS_LAST = `#!/bin/sh
[ "$1" != prereqs ] || exit 0
mount -n -o move /dev "$rootmnt/dev"
`

const MOUNTS = [
  // Its journal mends it; what that can't, a new amphora does.
  `${partition(3)} /var ext4 rw,nodev,nosuid,noatime 0 0`,
  '/var/lib/ottavia/etc /etc/octavia none bind,nodev,nosuid,noexec,x-systemd.requires-mounts-for=/var 0 0',
  'tmpfs /var/lib/octavia/certs tmpfs mode=0700,size=16m,nodev,nosuid,noexec 0 0',
  'tmpfs /tmp tmpfs mode=1777,size=64m,nodev,nosuid 0 0',
  `LABEL=config-2 ${CONFIG_DRIVE} auto ro,nofail,nodev,nosuid,noexec,x-systemd.device-timeout=${CONFIG_DRIVE_SECONDS} 0 0`,
]

/** Files that HAProxy, its masters and the agent may have open; upstream's image has the same bound. */
const MAX_OPEN_FILES = 2_600_000

const AGENT_UNIT = `[Unit]
Description=Agent of the amphora
RequiresMountsFor=${CONFIG_DRIVE} /etc/octavia /var/lib/octavia/certs
StartLimitIntervalSec=0

[Service]
ExecStart=${[...AGENT_PROGRAM, '--config-drive', CONFIG_DRIVE, '--machine'].join(' ')}
${Object.entries(AGENT_ENVIRONMENT)
  .map(([name, value]) => `Environment=${name}=${value}`)
  .join('\n')}
Restart=always
RestartSec=1
# HAProxy and keepalived outlive the agent, which takes them over when it comes back.
KillMode=process
LimitNOFILE=${MAX_OPEN_FILES}
NoNewPrivileges=yes
CapabilityBoundingSet=~CAP_SYS_RAWIO CAP_SYS_BOOT CAP_SYS_TIME CAP_SYS_PTRACE CAP_MKNOD
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
`

const SYSCTL = `fs.file-max = ${MAX_OPEN_FILES}
fs.nr_open = ${MAX_OPEN_FILES}
net.core.netdev_max_backlog = 100000
net.core.rmem_max = 67108864
net.core.wmem_max = 67108864
kernel.panic = 10
`

/** What keepalived runs to check the members of SCTP pools. In Perl, since Debian's smallest system has it and Node has no raw sockets. */
const HEALTH_CHECKER = new URL('amphora-health-checker.pl', import.meta.url)

/** Path to file. */
export function rootFiles({ ssh, kernel }: { ssh: boolean; kernel: Kernel }): Record<string, RootFile> {
  return {
    '/etc/fstab': { contents: lines(MOUNTS) },
    '/etc/hostname': { contents: 'amphora\n' },
    '/etc/hosts': { contents: '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 amphora\n' },
    '/etc/resolv.conf': { contents: '' },
    '/etc/systemd/system/ottavia-agent.service': { contents: AGENT_UNIT },
    '/etc/systemd/system/multi-user.target.wants/ottavia-agent.service': { target: '/etc/systemd/system/ottavia-agent.service' },
    '/etc/systemd/system/default.target': { target: '/lib/systemd/system/multi-user.target' },
    // In memory, and bounded there: traffic's own logs are the agent's.
    '/etc/systemd/journald.conf.d/ottavia.conf': { contents: '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nForwardToSyslog=no\n' },
    '/etc/tmpfiles.d/ottavia.conf': {
      contents: 'd /var/lib/octavia 0755 root root -\nd /var/lib/ottavia 0700 root root -\nL /var/lib/dpkg - - - - /usr/lib/ottavia/dpkg\n',
    },
    '/usr/sbin/amphora-health-checker': { contents: readFileSync(HEALTH_CHECKER, 'utf8'), mode: 0o755 },
    '/etc/sysctl.d/60-ottavia.conf': { contents: SYSCTL },
    '/etc/initramfs-tools/conf.d/ottavia': { contents: 'MODULES=list\nCOMPRESS=zstd\nRESUME=none\n' },
    '/etc/initramfs-tools/hooks/ottavia': { contents: INITRAMFS_HOOK(kernel), mode: 0o755 },
    '/etc/initramfs-tools/scripts/init-bottom/ottavia': { contents: INITRAMFS_LAST, mode: 0o755 },
    '/etc/systemd/system/systemd-udev-trigger.service.d/ottavia.conf': { contents: COLDPLUG_UNIT },
    ...masked('/etc/systemd/system', [...MASKED_UNITS, ...(ssh ? [] : MASKED_LOGINS)]),
    ...masked(
      '/etc/systemd/system-generators',
      MASKED_GENERATORS.map((name) => `systemd-${name}-generator`),
    ),
    ...masked(
      '/etc/udev/rules.d',
      MASKED_UDEV_RULES.map((name) => `${name}.rules`),
    ),
    ...(ssh ? sshFiles : {}),
  }
}

/** For root, by the key pair that Nova was told; host keys are made at the first start. */
const sshFiles: Record<string, RootFile> = {
  '/etc/ssh/sshd_config.d/ottavia.conf': {
    contents: `PermitRootLogin prohibit-password
PasswordAuthentication no
AuthorizedKeysFile /run/ottavia/authorized_keys
HostKey /var/lib/ottavia/ssh_host_ed25519_key
`,
  },
  '/etc/systemd/system/ssh.service.d/ottavia.conf': {
    contents: `[Unit]
RequiresMountsFor=/var
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c '[ -s /var/lib/ottavia/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N "" -f /var/lib/ottavia/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
`,
  },
}

function masked(directory: string, names: readonly string[]): Record<string, RootFile> {
  return Object.fromEntries(names.map((name) => [`${directory}/${name}`, { target: '/dev/null' }]))
}

function lines(text: readonly string[]): string {
  return text.map((line) => `${line}\n`).join('')
}
