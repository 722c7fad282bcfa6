/** `ottavia certificates create`: the CAs and the controllers' certificate of an installation that several controllers or an image share. */
import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { callersPath } from '../main/configuration.ts'
import { configurationOf, makeCertificateSet, makePassphrase, writeCertificateSet } from '../trust/certificate-set.ts'

/** Ten years for all: upstream's guide takes twenty, and its housekeeping cannot renew any of them either. */
const DEFAULT_DAYS = 3_650
/** X.509 dates before 2050 have two digits for the year; some readers know no others. */
const MAX_DAYS = 36_500
/** OpenSSL's own for a pass phrase of a PEM file. */
const MIN_PASSPHRASE_LENGTH = 4

export function addCertificatesCommands(program: Command): void {
  program
    .command('certificates')
    .description('the CAs and the certificate of controllers, made before the first start')
    .command('create')
    .description(
      'make two CAs and the certificate of the controllers, as the guide of Octavia has it, and print their lines of octavia.conf',
    )
    .argument('<directory>', 'where they are written; made with mode 0700, and nothing in it is overwritten')
    .option('--installed-in <directory>', 'where controllers will find them, for the printed lines; default: the same directory')
    .option('--passphrase-file <file>', 'what the keys of the CAs are encrypted with; default: made at random, and printed')
    .option('--ca-days <number>', 'how long the CAs are valid', days, DEFAULT_DAYS)
    .option('--client-days <number>', 'how long the certificate of the controllers is valid', days, DEFAULT_DAYS)
    .action(async (directory: string, options: CreateOptions) => {
      const path = callersPath(directory)
      const { caDays, clientDays, passphraseFile, installedIn } = options
      if (clientDays > caDays) throw new Error('--client-days: a certificate cannot outlive its CA (--ca-days)')
      const passphrase = passphraseFile === undefined ? makePassphrase() : passphraseIn(passphraseFile)
      const set = await makeCertificateSet({ passphrase, caDays, clientDays })
      writeCertificateSet(path, set)
      console.error(`written to ${path}: ${Object.keys(set.files).join(', ')}; keep client_ca.key.pem elsewhere, no controller needs it`)
      console.log(configurationOf(installedIn ?? path, set))
    })
}

interface CreateOptions {
  installedIn?: string
  passphraseFile?: string
  caDays: number
  clientDays: number
}

function days(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1 || number > MAX_DAYS)
    throw new InvalidArgumentError(`should be a number from 1 to ${MAX_DAYS}`)
  return number
}

function passphraseIn(file: string): string {
  const passphrase = readFileSync(callersPath(file), 'utf8').trim()
  if (passphrase.length < MIN_PASSPHRASE_LENGTH || /[\r\n]/.test(passphrase))
    throw new Error(`--passphrase-file: ${file} should hold one line of at least ${MIN_PASSPHRASE_LENGTH} characters`)
  return passphrase
}
