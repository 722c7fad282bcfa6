/** Fills a database with copies of one load balancer: making ten thousand by API would take the other server hours. */
import type { Store } from './target.ts'

/** Columns that hold ids which are a copy's own. */
const idColumns: ReadonlySet<string> = new Set([
  ...['id', 'load_balancer_id', 'loadbalancer_id', 'listener_id', 'pool_id', 'default_pool_id', 'amphora_id'],
  ...['vip_port_id', 'port_id', 'compute_id', 'vrrp_port_id', 'ha_port_id'],
])

/** Copies number `first` to `last`, which no other copies have, named `bench-NUMBER`, all of that project. */
export async function seed(store: Store, load_balancer_id: string, project_id: string, first: number, last: number): Promise<void> {
  for (const { table, where } of store.tables(load_balancer_id)) {
    const columns = await store.columnsOf(table)
    const values = columns.map((column) => {
      if (column === 'project_id') return `'${project_id}'`
      if (column === 'name' && table === 'load_balancer') return store.concat(`'bench-'`, 'n')
      // The number takes the place of the first eight digits.
      if (idColumns.has(column)) return store.concat(store.hexOfN, `substr(${table}.${column}, 9)`)
      return `${table}.${column}`
    })
    await store.execute(
      `insert into ${table} (${columns.join(', ')}) select ${values.join(', ')} from ${table}, ${store.numbers(first, last)} where ${where}`,
    )
  }
}

/** The id of a copy. */
export function idOfCopy(load_balancer_id: string, number: number): string {
  return number.toString(16).padStart(8, '0') + load_balancer_id.slice(8)
}
