// Compares the rows of a few commits in the ledger and in ClickHouse: which are lost, doubled, added or
// changed. The bytes of the ledger are inserted into a temporary table in memory, which is dropped after the
// comparison.

import { randomUUID } from 'node:crypto'
import type { TableDescription } from '../../schemas/table-description.js'
import { insertArrow } from '../../sinks/clickhouse/insert.js'
import { RowsFolder } from '../../sinks/clickhouse/rows-folder.js'
import { natsSubjects } from '../broker/topology.js'
import { endOf, type PlacedCheckpoint, type TableSource } from './ledger-cut.js'
import type { Difference } from './report.js'

/** The columns by which a report names a row, in this order, where the table has them. */
const identities = [
  'event_id',
  'charge_id',
  'movement_id',
  'payment_id',
  'invoice_id',
  'subscription_id',
  'base',
]
const maxMessages = 2_000
const maxNamed = 10

export async function compareRows(
  source: TableSource,
  table: TableDescription<unknown>,
  partition: number,
  { after, upTo }: { readonly after: PlacedCheckpoint; readonly upTo: PlacedCheckpoint },
): Promise<Difference[]> {
  const { clickhouse } = source
  const scratch = `reconcile_${randomUUID().replaceAll('-', '')}`
  await clickhouse.command({ query: `CREATE TABLE ${scratch} AS ${table.name} ENGINE = Memory` })
  try {
    if (!(await readInto(source, scratch, table.name, partition, { after, upTo }))) return []
    const [low, high] = [after.checkpoint.commit, upTo.checkpoint.commit]
    return await surplus(source, scratch, table, { partition, low, high })
  } finally {
    await clickhouse.command({ query: `DROP TABLE IF EXISTS ${scratch}` })
  }
}

/** False: the range is too large to be read for a report. */
async function readInto(
  { clickhouse, jsm }: TableSource,
  scratch: string,
  table: string,
  partition: number,
  { after, upTo }: { readonly after: PlacedCheckpoint; readonly upTo: PlacedCheckpoint },
): Promise<boolean> {
  const last = endOf(upTo)
  const folder = new RowsFolder({ url: '', user: '', password: '' })
  folder.giveUp() // the bytes go as the request's body
  let seq = endOf(after) + 1
  for (let count = 0; ; count += 1) {
    const query = { seq, next_by_subj: natsSubjects.ledger(partition, table) }
    const message = await jsm.streams.getMessage('LEDGER', query)
    if (message === null || message.seq > last) return true
    if (count >= maxMessages) return false
    await insertArrow(clickhouse, folder, { table: scratch, parts: [message.data], token: `${message.seq}` })
    seq = message.seq + 1
  }
}

async function surplus(
  { clickhouse }: TableSource,
  scratch: string,
  table: TableDescription<unknown>,
  at: { readonly partition: number; readonly low: number; readonly high: number },
): Promise<Difference[]> {
  const columns = table.columns.map(({ name }) => `\`${name}\``).join(', ')
  const has = (name: string): boolean => table.columns.some(column => column.name === name)
  const identity = identities.find(has) ?? 'ledger_sequence'
  const customer = has('customer_id') ? 'customer_id' : `''`
  const where =
    'partition = {partition: UInt32} AND ledger_sequence > {low: UInt64} AND ledger_sequence <= {high: UInt64}'
  const query = `SELECT toString(any(named)) AS named, any(customer) AS customer, toInt32(sum(side)) AS surplus,
      toInt32(countIf(side < 0)) AS there, toString(any(commit)) AS commit
    FROM (
      SELECT cityHash64(${columns}) AS hash, ${identity} AS named, ${customer} AS customer, ledger_sequence AS commit, 1 AS side
      FROM ${table.name} WHERE ${where}
      UNION ALL
      SELECT cityHash64(${columns}), ${identity}, ${customer}, ledger_sequence, -1 FROM ${scratch} WHERE ${where}
    )
    GROUP BY hash HAVING surplus != 0 ORDER BY named, surplus LIMIT ${maxNamed + 1}`
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params: at })
  const rows = await result.json<Surplus>()
  return rows.map(row => ({
    id: `${table.name}, partition ${at.partition}, ledger_sequence ${row.commit}`,
    expected: `${row.there} of this row`,
    found: String(row.there + row.surplus),
    detail: `${fate(row, rows)}: ${identity} ${row.named}${row.customer === '' ? '' : `, customer ${row.customer}`}`,
  }))
}

interface Surplus {
  readonly named: string
  readonly customer: string
  readonly surplus: number
  /** In the ledger. */
  readonly there: number
  readonly commit: string
}

/** What happened to a row. A changed row shows as a missing row and an extra row with the same identity. */
function fate(row: Surplus, all: readonly Surplus[]): string {
  if (row.there > 0 && row.surplus > 0) return 'doubled'
  const isChanged = all.some(
    one => one.named === row.named && Math.sign(one.surplus) === -Math.sign(row.surplus),
  )
  if (isChanged) return row.surplus < 0 ? 'changed, as it was' : 'changed, as it is'
  return row.surplus < 0 ? 'lost' : 'stray'
}
