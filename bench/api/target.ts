/** A server that the benchmark asks, whoever wrote it. */

export interface Target {
  readonly name: string
  /** The endpoint without `/v2`. */
  readonly url: string
  /** Processes that answer and work; their descendants count, too. */
  readonly pids: readonly number[]
  /** The database's and the broker's, where they are processes of their own. */
  readonly helperPids: readonly number[]
  /** False where nobody makes objects ACTIVE: then only reads are measured. */
  readonly works: boolean
  readonly store: Store
  stop(): Promise<void>
}

/** The target's database, in its own dialect, for seeding alone. */
export interface Store {
  execute(statement: string): Promise<void>
  columnsOf(table: string): Promise<string[]>
  /** The tables of a load balancer; `where` picks the rows of the one with the given id. */
  tables(load_balancer_id: string): { table: string; where: string }[]
  /** An SQL expression: the eight hexadecimal digits of the number in column `n`. */
  readonly hexOfN: string
  /** A table expression with one column `n`. */
  numbers(first: number, last: number): string
  concat(...expressions: string[]): string
}
