/** A client of the load balancing API, Octavia's as well as ours: `new LoadBalancing({ endpoint, token })`. */
export {
  ConnectionError,
  type ConnectionOptions,
  each,
  exchange,
  Fault,
  type Page,
  WaitError,
  type WaitOptions,
  waitForActive,
  waitForDeleted,
} from './connection.ts'
export * from './operations.ts'
