// The reconciliation of one connection with its receiver: reads our records and their deliveries, then what the receiver has
// of ours in the same accounting dates, and holds one against the other (receiver-comparison.ts). It only reads.
//
// Invariant: our side is read first. A document without a record, or of a record that was not delivered then, is asked for
// again once deliveries have caught up, so that what goes out meanwhile is no fault.

import type { Connector, DocumentRange } from '../../sinks/connector.js'
import type { ProcessParts } from '../deliver/feed.js'
import { isOfBooks, readTakenUpTo, type TakenUpTo } from './deliveries.js'
import { accountingDates, deliveriesOf, recordsOf } from './our-records.js'
import { ReceiverComparison } from './receiver-comparison.js'
import type { ReceiverProgress, ReceiverReport } from './receiver-report.js'
import { type ReconcileOptions, waitForLags } from './reconcile.js'

export interface ReceiverOptions extends ReconcileOptions {
  readonly shared: ProcessParts
}

/** Accounting dates, both included; absent: from the first to the last one of our records. */
export interface WantedDates {
  readonly from?: string | undefined
  readonly until?: string | undefined
}

/** The most records of one comparison: it holds them in memory. */
const mostRecords = 2_000_000

/** Undefined: there is no such connection. Throws when one side cannot be read to its end. */
export async function reconcileReceiver(
  options: ReceiverOptions,
  connection: string,
  wanted: WantedDates,
  progress: ReceiverProgress,
  signal: AbortSignal,
): Promise<ReceiverReport | undefined> {
  const { clickhouse, sinks, feeds, shared } = options
  const feed = feeds.find(one => isOfBooks(one) && one.ofRecords?.connection === connection)
  if (feed?.ofRecords === undefined) return undefined
  const connector = await feed.ofRecords.openConnector(shared)
  const [taken] = await readTakenUpTo([feed], sinks)
  const lags = await waitForLags({ ...options, signal })
  const comparison = new ReceiverComparison(connector.accountsOf !== undefined)
  const range =
    connector.documents === undefined
      ? undefined
      : await readOurs(options, { taken: taken!, connector }, wanted, comparison, progress, signal)
  let alone = 0
  if (range !== undefined && range.from !== '') {
    await readTheirs(connector, range, comparison, progress, signal)
    if (comparison.strays().length + comparison.askAgain().length > 0) {
      lags.push(...(await waitForLags({ ...options, signal })))
      await askAgain(options, connection, comparison)
      alone = await adoptStrays(clickhouse, connection, range, comparison)
    }
  }
  const { records, documents } = comparison
  const { agreeing, faults, faultCount, unsettled, totals, days } = comparison.result()
  return {
    ok: range !== undefined && faultCount === 0,
    connection,
    compared: range !== undefined,
    from: range?.from ?? '',
    until: range?.until ?? '',
    checked_at: new Date().toISOString(),
    lagging: [...new Set(lags.map(({ what }) => what))],
    records: records - alone,
    documents,
    agreeing,
    by_delivery_alone: alone,
    unsettled,
    totals,
    accounts_told: connector.accountsOf !== undefined,
    days,
    faults,
    fault_count: faultCount,
  }
}

async function readOurs(
  source: ReceiverOptions,
  { taken, connector }: { readonly taken: TakenUpTo; readonly connector: Connector },
  { from, until }: WantedDates,
  comparison: ReceiverComparison,
  progress: ReceiverProgress,
  signal: AbortSignal,
): Promise<DocumentRange> {
  const isWanted = (date = ''): boolean =>
    date === '' || ((from === undefined || date >= from) && (until === undefined || date <= until))
  let [first, last] = ['', '']
  for await (const records of recordsOf(source, taken, connector, isWanted)) {
    signal.throwIfAborted()
    for (const record of records) {
      comparison.ours(record)
      const { date = '' } = record
      if (date === '') continue
      if (first === '' || date < first) first = date
      if (date > last) last = date
    }
    progress.records += records.length
    if (comparison.records > mostRecords)
      throw new Error(`there are more than ${mostRecords} records in these dates: name fewer days`)
  }
  // With one end given and no record, the other is the same day.
  return { from: from ?? (first || (until ?? '')), until: until ?? (last || (from ?? '')) }
}

async function readTheirs(
  connector: Connector,
  range: DocumentRange,
  comparison: ReceiverComparison,
  progress: ReceiverProgress,
  signal: AbortSignal,
): Promise<void> {
  for await (const document of connector.documents?.(range, signal) ?? []) {
    signal.throwIfAborted()
    comparison.theirs(document)
    progress.documents += 1
    if (progress.documents > mostRecords)
      throw new Error(`there are more than ${mostRecords} documents in these dates: name fewer days`)
  }
}

async function askAgain(
  { clickhouse }: Pick<ReceiverOptions, 'clickhouse'>,
  connection: string,
  comparison: ReceiverComparison,
): Promise<void> {
  const ids = comparison.askAgain().map(one => one.deliveryId)
  for (const [key, { stand }] of await deliveriesOf(clickhouse, connection, 'delivery_id', ids))
    comparison.moved(key, stand)
}

/** Documents whose record has another date, has come since, or is older than what the stream holds. */
async function adoptStrays(
  clickhouse: ReceiverOptions['clickhouse'],
  connection: string,
  { from, until }: DocumentRange,
  comparison: ReceiverComparison,
): Promise<number> {
  const found = await deliveriesOf(clickhouse, connection, 'key', comparison.strays())
  const dates = await accountingDates(
    clickhouse,
    [...found.values()].map(({ id }) => id),
  )
  let alone = 0
  for (const [key, { deliveryId, kind, id, entityId, stand }] of found) {
    const date = dates.get(id)
    comparison.adopt({
      ...{ key, kind, id, deliveryId, entityId, date, currency: '', amount: undefined, lines: undefined },
      ...stand,
    })
    if (date === undefined || (date >= from && date <= until)) alone += 1
  }
  return alone
}
