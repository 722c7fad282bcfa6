/**
 * The certificates of a load balancer on their way from the secret store to its amphorae. They hold private keys: they are passed from call to call,
 * and never from step to step, since what steps take and give is written down.
 */
import { createHmac } from 'node:crypto'
import type { Context } from '../context.ts'
import type { CertificateProblem, TlsCertificateRow } from '../db/tables.ts'
import type { CertificateFile } from '../drivers/amphora/driver.ts'
import { readMaterial } from '../drivers/certificates/material.ts'
import { NoSecretStoreError, NotFoundError, UnreadableBundleError } from '../drivers/errors.ts'
import { timestamp } from '../lib/clock.ts'
import { retry } from '../lib/retry.ts'
import { sideBySide } from '../lib/side-by-side.ts'
import { FlawedMaterial, type TlsMaterial } from '../lib/tls-material.ts'
import { crtListOf, renderCrtList } from '../render/certificate-files.ts'
import type { TlsPlace } from '../resources/tls-places.ts'

/** A remote store is asked for so many secrets at a time. */
const ASKED_AT_ONCE = 8
/** For a store that does not answer; what it says is not asked twice. */
const STORE_RETRY = { attempts: 3, firstWaitMs: 100, longestWaitMs: 1_000 }

/** What a place is to be filled with. With a problem there may be contents as well: better than none, but not than those that are in service. */
export type Fetched = {
  place: TlsPlace
  material: TlsMaterial | null
  digest: string | null
  problem: CertificateProblem | null
  /** What the store or OpenSSL said of it; for admins. */
  cause: string
}

type Store = Pick<Context, 'certificates' | 'clock' | 'config' | 'log'>

/** What a failure to ask the store says nothing about: whether the secret is still there. */
export function isPassing(problem: CertificateProblem | null): boolean {
  return problem === 'secret_store_silent' || problem === 'secret_store_missing'
}

/**
 * Asks the store for each place, as the service and for the object's project. Never throws: what cannot be had is told by its problem. In: the rows of
 * what is in service.
 */
export async function fetchMaterials(store: Store, places: readonly TlsPlace[], rows: readonly TlsCertificateRow[]): Promise<Fetched[]> {
  // Several listeners often name the same certificate.
  const opened = new Map<string, Promise<Opened>>()
  return sideBySide(places, ASKED_AT_ONCE, async (place) => {
    const key = JSON.stringify([place.project_id, place.kind, place.reference])
    const found = opened.get(key) ?? open(store, place)
    opened.set(key, found)
    return judge(store, place, await found, rows.find(isOf(place)))
  })
}

/** Whether a row is a place's. */
export function isOf({ object_id, field, reference }: Pick<TlsPlace, 'object_id' | 'field' | 'reference'>) {
  return (row: TlsCertificateRow): boolean => row.object_id === object_id && row.field === field && row.reference === reference
}

type Opened = { material: TlsMaterial } | { problem: CertificateProblem; cause: string }

async function open({ certificates, log }: Store, { kind, reference, project_id }: TlsPlace): Promise<Opened> {
  try {
    const read = () => readMaterial(certificates, kind, reference, { project_id, service: true })
    return { material: await retry({ ...STORE_RETRY, when: (error) => problemOf(error) === 'secret_store_silent' }, read) }
  } catch (error) {
    const problem = problemOf(error)
    const cause = (error as Error).message
    log.warn({ reference, problem, cause }, 'a secret that a load balancer needs cannot be used')
    return { problem, cause }
  }
}

function problemOf(error: unknown): CertificateProblem {
  if (error instanceof FlawedMaterial) return error.flaw
  if (error instanceof NotFoundError) return 'secret_gone'
  if (error instanceof UnreadableBundleError) return 'bundle_unreadable'
  return error instanceof NoSecretStoreError ? 'secret_store_missing' : 'secret_store_silent'
}

/** What has ended by now does not take the place of what is still valid. */
function judge({ clock, config }: Store, place: TlsPlace, opened: Opened, row: TlsCertificateRow | undefined): Fetched {
  if ('problem' in opened) return { place, material: null, digest: null, ...opened }
  const { material } = opened
  const digest = digestOf(config, material)
  const now = timestamp(clock.now())
  const isStillValid = row?.not_after !== undefined && row.not_after !== null && row.not_after > now
  const isWorse = isStillValid && row.digest !== digest && material.notAfterMs <= clock.now()
  return { place, material, digest, problem: isWorse ? 'expired_replacement' : null, cause: '' }
}

/** Tells other contents from the same, and nobody who reads the database whether he has guessed them. */
function digestOf({ certificates }: Pick<Context['config'], 'certificates'>, { pem }: TlsMaterial): string {
  const [passphrase = ''] = certificates.server_certs_key_passphrase
  return createHmac('sha256', passphrase).update('ottavia tls material\0').update(pem).digest('base64url')
}

/** How an amphora is to be given it. */
export type Settled = {
  files: CertificateFile[]
  /** Listeners and pools that cannot be served for want of their secrets. */
  unavailable: Set<string>
  /** What is left as it is on the amphora. */
  kept: Set<TlsPlace>
}

/**
 * What cannot be had stays as the amphora has it. Where it has nothing either, an SNI certificate is left out of its listener, and for want of anything
 * else the whole listener or pool is left out. In: the names of the files that the amphora has.
 */
export function settle(load_balancer_id: string, fetched: readonly Fetched[], held: ReadonlySet<string>): Settled {
  const settled: Settled = { files: [], unavailable: new Set(), kept: new Set() }
  for (const [object_id, ofObject] of Map.groupBy(fetched, ({ place }) => place.object_id)) {
    // One file may fill several places: another way to write the same reference.
    const files = new Map<string, CertificateFile>()
    const listed = new Set<string>()
    let isMissing = false
    for (const { place, material, problem } of ofObject) {
      const keeps = problem !== null && held.has(place.file)
      if (keeps) settled.kept.add(place)
      else if (material !== null) files.set(place.file, { name: place.file, contents: material.pem })
      else if (place.field !== 'sni_container_refs') isMissing = true
      if ((keeps || material !== null) && isInCrtList(place)) listed.add(place.file)
    }
    const isTlsListener = ofObject.some(({ place }) => isInCrtList(place))
    if (isMissing || (isTlsListener && listed.size === 0)) {
      settled.unavailable.add(object_id)
      continue
    }
    settled.files.push(...files.values())
    if (isTlsListener) {
      settled.files.push({ name: crtListOf({ id: object_id }), contents: renderCrtList(load_balancer_id, [...listed]) })
    }
  }
  return settled
}

function isInCrtList({ object_type, kind }: TlsPlace): boolean {
  return object_type === 'listener' && kind === 'bundle'
}

/**
 * The rows as they are when an amphora has taken it. Of a store that does not answer a row says nothing, as long as the amphora has what the same
 * reference held before.
 */
export function rowsAfter(
  load_balancer_id: string,
  fetched: readonly Fetched[],
  kept: ReadonlySet<TlsPlace>,
  before: readonly TlsCertificateRow[],
): TlsCertificateRow[] {
  return fetched.map(({ place, material, digest, problem }) => {
    const { object_id, object_type, field, reference } = place
    const row = before.find(isOf(place)) ?? noRow({ object_id, object_type, field, reference, load_balancer_id })
    if (isPassing(problem) && kept.has(place) && row.digest !== null) return row
    if (problem !== null || material === null || digest === null) return { ...row, problem }
    const { fingerprint, subject, issuer, notBeforeMs, notAfterMs } = material
    const described = { fingerprint, subject, issuer, not_before: timestamp(notBeforeMs), not_after: timestamp(notAfterMs) }
    const told_days = described.not_after === row.not_after ? row.told_days : null
    return { ...row, ...described, digest, problem: null, told_days }
  })
}

type Key = Pick<TlsCertificateRow, 'object_id' | 'object_type' | 'field' | 'reference' | 'load_balancer_id'>

function noRow(key: Key): TlsCertificateRow {
  const nothing = { digest: null, fingerprint: null, subject: null, issuer: null, not_before: null, not_after: null, problem: null }
  return { ...key, ...nothing, told_days: null, renewal_failed_at_ms: 0 }
}
