// The exchange: with the feed at a stand for a moment, the new table gets what came last, is held against the old one and
// against the ledger, and takes its name.
// Invariants:
// 1. While the feed is held at most one range is under way, the one that its record names. The new table gets that range too,
//    under the range's own token: whether the feed applied it to the old table, or applies it to the new one, its rows are
//    in the new table once.
// 2. The names are exchanged only when the new table has what the ledger, or the stream, says; else the old one stays.
// 3. The feed goes on, whatever happens here, except after a kill: then the step that is made again sees to it.

import type { KV } from '@nats-io/kv'
import { isSame, type RowFigures, subtractFigures } from '../../schemas/rows/row-figures.js'
import type { FeedMessage } from '../../sinks/sink.js'
import { isWrongRevision } from '../broker/wrong-revision.js'
import { type DeliveryRecord, decodeRecord, encodeRecord } from '../deliver/delivery-record.js'
import { JobFailure } from '../jobs/job-kind.js'
import { type Filled, type FillParts, fill, insertSpan, openReading } from './fill.js'
import { cutsOf, wholeCommits } from './ledger-start.js'
import {
  exchange,
  figuresByPartition,
  figuresUpTo,
  isExchanged,
  newName,
  type RebuiltTable,
} from './rebuilt-table.js'

export interface TableDifference {
  /** The partition; null: the whole table. */
  readonly partition: number | null
  readonly rows_before: number
  readonly rows_after: number
  /** The number of rows is the same, and values in them are not. */
  readonly has_other_values: boolean
}

export interface Switched {
  readonly rowsBefore: number
  readonly rowsAfter: number
  /** Where the old table differed; empty: nowhere. */
  readonly differences: readonly TableDifference[]
}

export async function recordOf(sinks: KV, key: string): Promise<DeliveryRecord | undefined> {
  const entry = await sinks.get(key)
  return entry === null ? undefined : decodeRecord(entry.value)
}

/** The feed begins no further range while a job holds it. Undefined frees it. */
export async function setHeldBy(sinks: KV, key: string, jobId: string | undefined): Promise<void> {
  for (;;) {
    const entry = await sinks.get(key)
    const record = entry === null ? undefined : decodeRecord(entry.value)
    if (entry === null || record === undefined || record.heldBy === jobId) return
    const { heldBy: _, ...free } = record
    const next = jobId === undefined ? free : { ...free, heldBy: jobId }
    try {
      await sinks.update(key, encodeRecord(next), entry.revision)
      return
    } catch (error) {
      if (!isWrongRevision(error)) throw error
    }
  }
}

export async function switchTables(
  parts: FillParts & { readonly sinks: KV },
  of: RebuiltTable,
  from: Filled,
  jobId: string,
  signal: AbortSignal,
): Promise<Switched> {
  const { sinks, clickhouse } = parts
  const { key } = of.feed
  const { name } = of.table
  try {
    if (await isExchanged(clickhouse, name, jobId))
      return await compared(parts, of, from, newName(name), name)
    await setHeldBy(sinks, key, jobId)
    let filled = from
    let record = await standing(sinks, key)
    for (;;) {
      const until = record.position
      // One message at a time: such spans are the same wherever the end lies.
      filled = await fill(parts, of, filled, { jobId, until, spanMessages: 1, isOver: () => false }, signal)
      const switched = await compared(parts, of, filled, name, newName(name))
      await bringRangeUnderWay(parts, of, filled, record, signal)
      const now = await standing(sinks, key)
      if (now.position !== record.position || now.intent?.token !== record.intent?.token) {
        record = now
        continue
      }
      signal.throwIfAborted()
      await exchange(clickhouse, name, jobId)
      return switched
    }
  } finally {
    await setHeldBy(sinks, key, undefined) // invariant 3
  }
}

async function standing(sinks: KV, key: string): Promise<DeliveryRecord> {
  const record = await recordOf(sinks, key)
  if (record === undefined) throw new JobFailure('feed_unknown', `The feed ${key} has delivered nothing yet.`)
  if ((record.intent?.apart ?? []).length > 0)
    throw new Error(`the feed ${key} is taking a refused range apart; the exchange waits for it`)
  return record
}

/** Invariant 1. */
async function bringRangeUnderWay(
  parts: FillParts,
  of: RebuiltTable,
  filled: Filled,
  { intent, position }: DeliveryRecord,
  signal: AbortSignal,
): Promise<void> {
  const reading = intent === null ? undefined : await openReading(parts, of, filled, intent.to, signal)
  if (intent === null || reading === undefined) return
  const messages: FeedMessage[] = []
  try {
    for await (const message of reading.messages) if (message.sequence > position) messages.push(message)
  } finally {
    reading.stop()
  }
  if (messages.length > 0) await insertSpan(parts, of, messages, intent.token)
}

/** Throws unless the new table is right; answers where the old one is not (invariant 2). */
async function compared(
  parts: FillParts,
  of: RebuiltTable,
  filled: Filled,
  oldName: string,
  newTable: string,
): Promise<Switched> {
  return of.isOfLedger
    ? comparedWithLedger(parts, of, filled, oldName, newTable)
    : comparedWithStream(parts, of, filled, oldName, newTable)
}

async function comparedWithLedger(
  { clickhouse, jsm }: FillParts,
  { table }: RebuiltTable,
  { heads, next }: Filled,
  oldName: string,
  newTable: string,
): Promise<Switched> {
  const whole = await wholeCommits(jsm, heads, next - 1)
  const cuts = cutsOf(whole)
  const [before, after] = await Promise.all(
    [oldName, newTable].map(name => figuresByPartition(clickhouse, table, name, cuts)),
  )
  const differences: TableDifference[] = []
  let [rowsBefore, rowsAfter] = [0, 0]
  for (const [partition, checkpoint] of whole) {
    const expected = checkpoint.figures[table.name] ?? none
    const [old, made] = [before!.get(partition) ?? none, after!.get(partition) ?? none]
    if (!isSame(expected, made)) throw differs(table.name, `partition ${partition}`, expected, made)
    rowsBefore += old.rows
    rowsAfter += made.rows
    if (!isSame(old, made)) differences.push(differenceOf(partition, old, made))
  }
  return { rowsBefore, rowsAfter, differences }
}

async function comparedWithStream(
  { clickhouse }: FillParts,
  { table }: RebuiltTable,
  { figures, next }: Filled,
  oldName: string,
  newTable: string,
): Promise<Switched> {
  const old = await figuresUpTo(clickhouse, table, oldName, next - 1)
  const made = await figuresUpTo(clickhouse, table, newTable, next - 1)
  if (!isSame(figures, made)) throw differs(table.name, 'the stream', figures, made)
  const differences = isSame(old, made) ? [] : [differenceOf(null, old, made)]
  return { rowsBefore: old.rows, rowsAfter: made.rows, differences }
}

const none: RowFigures = { rows: 0, checksum: '0', sums: {} }

function differenceOf(partition: number | null, old: RowFigures, made: RowFigures): TableDifference {
  return { partition, rows_before: old.rows, rows_after: made.rows, has_other_values: old.rows === made.rows }
}

function differs(table: string, what: string, expected: RowFigures, found: RowFigures): JobFailure {
  const { rows } = subtractFigures(found, expected)
  const detail = `${table} was filled with ${found.rows} rows; ${what} names ${expected.rows} (${rows >= 0 ? '+' : ''}${rows}), or other values. The old table stays.`
  return new JobFailure('rebuild_differs', detail)
}
