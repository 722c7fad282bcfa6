/** A process of `ottavia serve` that has not ended in good order. */
export interface ControllerRow {
  /** Who it is (`flow/worker-identity.ts`). */
  id: string
  host: string
  pid: number
  /** Comma-separated. */
  serves: string
  /** The name of the newest migration it knows. */
  program: string
  started_at_ms: number
  /** By the database's clock, or the host's on SQLite. */
  seen_at_ms: number
}

/** What one process at a time has. */
export interface LeaseRow {
  name: string
  holder: string
  /** The installation whose processes may have it. */
  place: string
  /** Rises while the holder lives. */
  beats: number
}

export interface ControllersTables {
  controller: ControllerRow
  lease: LeaseRow
}
