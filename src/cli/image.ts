/** `ottavia image build|upload`: the image that Nova boots amphorae from. */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { loadConfig } from '../config/config.ts'
import { openStackSession } from '../drivers/openstack/session.ts'
import { buildImage } from '../image/build.ts'
import { mirrorsFor } from '../image/mirrors.ts'
import { SUITE } from '../image/root.ts'
import type { Kernel } from '../image/root-files.ts'
import { uploadImage } from '../image/upload.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../lib/log.ts'
import { callersPath } from '../main/configuration.ts'

/** As small as the usual flavors of amphorae. */
const DEFAULT_SIZE_GIB = 2
/** The day of Debian 12's release: files of an image have no date of their own. */
const DEFAULT_EPOCH = 1_686_355_200
/** What is named of an image's packages when it is made; all are in the list beside it. */
const SHOWN = /^(linux-image-\d\S*|haproxy|keepalived|ipvsadm|nftables|systemd) /
const MIB = 1024 * 1024

export function addImageCommands(program: Command): void {
  const image = program.command('image').description('the image that Nova boots amphorae from')
  image
    .command('build')
    .description('make an amphora image (qcow2, Debian 12) of packages of Debian and this agent')
    .option('--output <file>', 'the image; the list of its packages and the checksums lie beside it', 'amphora.qcow2')
    .option('--size <gib>', "the disk's size in GiB, as flavors say it", gibibytes, DEFAULT_SIZE_GIB)
    .option(
      '--mirror <url>',
      "where Debian's packages come from; default: as this machine's own do, if it runs Debian 12, else Debian",
      url,
    )
    .option('--security-mirror <url>', 'where their security updates come from', url)
    .addOption(
      new Option('--kernel <kind>', 'cloud: for virtual machines; generic: with all drivers')
        .choices(['cloud', 'generic'])
        .default('cloud'),
    )
    .option('--ssh', 'with an SSH server for root, by the key pair that Nova is told ([controller_worker] amp_ssh_key_name)', false)
    .option('--upload', 'give it to Glance, too: `ottavia image upload`', false)
    .option('--config <file>', 'the octavia.conf that --upload logs in by')
    .option('--tag <tag>', 'default: [controller_worker] amp_image_tag')
    .action(async ({ output, size, kernel, ssh, upload, config, tag, ...given }: BuildOptions) => {
      if (upload && config === undefined) throw new Error('--upload needs --config')
      const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? DEFAULT_EPOCH)
      if (!Number.isInteger(epoch) || epoch < 0) throw new Error('SOURCE_DATE_EPOCH should be a number of seconds')
      const { mirror, securityMirror } = { ...mirrorsFor(SUITE), ...given }
      const wishes = { output: callersPath(output), sizeMib: size * 1024, mirror, securityMirror, kernel, ssh, epoch }
      console.error(`packages of ${mirror} and ${securityMirror}`)
      const built = await buildImage({ ...wishes, say: (line) => console.error(line) })
      for (const line of built.packages.filter((text) => SHOWN.test(text))) console.log(line)
      console.log(`node ${process.versions.node}`)
      console.log(`${built.packages.length} packages`)
      console.log(`${built.output}: ${(built.bytes / MIB).toFixed(0)} MiB, sha256 ${built.sha256}`)
      if (upload) await give(built.output, config!, tag)
    })

  image
    .command('upload')
    .description('give an image to Glance as the service user of [service_auth], with the tag by which controllers find it')
    .argument('<file>', 'a qcow2')
    .requiredOption('--config <file>', 'the octavia.conf to log in by')
    .option('--tag <tag>', 'default: [controller_worker] amp_image_tag')
    .action((file: string, { config, tag }: { config: string; tag?: string }) => give(callersPath(file), config, tag))
}

interface BuildOptions {
  output: string
  size: number
  mirror?: string
  securityMirror?: string
  kernel: Kernel
  ssh: boolean
  upload: boolean
  config?: string
  tag?: string
}

async function give(image: string, file: string, tag: string | undefined): Promise<void> {
  const path = callersPath(file)
  const config = loadConfig({ stateDirectory: dirname(path), file: { name: path, text: readFileSync(path, 'utf8') } })
  const session = openStackSession({ config, clock: systemClock, log: createLog('warn', 2) })
  const given = tag ?? config.controller_worker.amp_image_tag
  try {
    const id = await uploadImage(image, given, { session, config, now: systemClock.now() })
    console.log(`image ${id} in Glance, with the tag ${given}`)
  } finally {
    session.close()
  }
}

function gibibytes(text: string): number {
  const number = Number(text)
  if (!(number >= 0.5 && number <= 1024)) throw new InvalidArgumentError('should be a number from 0.5 to 1024')
  return number
}

/** It becomes a word of a line that apt reads. */
function url(text: string): string {
  if (!URL.canParse(text) || /[\s[\]]/.test(text)) throw new InvalidArgumentError('should be a URL')
  return text.replace(/\/+$/, '')
}
