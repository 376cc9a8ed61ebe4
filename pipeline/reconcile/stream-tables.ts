// Compares the tables that BILLING, POSTINGS, DELIVERIES, RESOLUTIONS and AUDIT feed with these streams: every message is read
// again and made into rows as the sink does, and the figures of both are compared, message by message where
// they differ.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import {
  figuresOfStream,
  isSame,
  noFigures,
  type RowFigures,
  subtractFigures,
} from '../../schemas/rows/row-figures.js'
import type { TableDescription } from '../../schemas/table-description.js'
import type { ReadRange } from '../../sinks/clickhouse/sink.js'
import { type StreamTable, streamTables } from '../../sinks/clickhouse/stream-tables.js'
import type { FeedMessage } from '../../sinks/sink.js'
import { defaultDeliverLimits } from '../deliver/deliver-limits.js'
import { recordedPosition } from '../deliver/delivered.js'
import { type Feed, feedOf } from '../deliver/feed.js'
import { readFeed } from '../deliver/read-feed.js'
import { FiguresBySequence } from './figures-by-sequence.js'
import { inWords } from './ledger-tables.js'
import { type Check, checkOf, type Difference, unreadableCheck } from './report.js'

export interface StreamSource {
  readonly clickhouse: ClickHouseClient
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  readonly feeds: readonly Feed[]
}

/** Messages that are made into rows together. */
const messagesAtOnce = 500

export function checkStreamTables(source: StreamSource): Promise<Check[]> {
  return Promise.all(streamTables.map(one => checkTable(source, one)))
}

async function checkTable(source: StreamSource, { table, feed: key, rowsOf }: StreamTable): Promise<Check> {
  const feed = feedOf(source.feeds, key)
  const check = `table_${table.name}`
  const claim = `ClickHouse has every row of ${table.name} as ${feed.stream} has it`
  try {
    const until = await recordedPosition(source.sinks, feed.key)
    const found = await FiguresBySequence.read(source.clickhouse, table, { until: Number.MAX_SAFE_INTEGER })
    const { state } = await source.jsm.streams.info(feed.stream) // read after the rows were
    const differences: Difference[] = []
    let [compared, next] = [0, state.first_seq]
    for await (const messages of chunksOf(source, feed, state.first_seq, until)) {
      const last = messages.at(-1)!.sequence
      compared += messages.length
      if (!isSame(figuresOf(table, rowsOf, messages), found.between(next, last)))
        differences.push(...messages.flatMap(one => differenceOf(table, rowsOf, one, found)))
      next = last + 1
    }
    differences.push(
      ...strays(table, feed, found, next, until),
      ...strays(table, feed, found, state.last_seq + 1),
    )
    return checkOf(check, claim, compared, differences)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

export async function* chunksOf(
  { js, jsm }: Pick<StreamSource, 'js' | 'jsm'>,
  { stream, filterSubjects }: Feed,
  from: number,
  until: number,
): AsyncGenerator<readonly FeedMessage[]> {
  if (from > until || from === 0) return
  let chunk: FeedMessage[] = []
  const source = { js, jsm, stream, filterSubjects }
  for await (const message of readFeed(source, from, defaultDeliverLimits, new AbortController().signal)) {
    if (message.sequence > until) break
    chunk.push(message)
    const isLast = message.sequence === until || message.pending === 0
    if (!isLast && chunk.length < messagesAtOnce) continue
    yield chunk
    chunk = []
    if (isLast) return
  }
  if (chunk.length > 0) yield chunk
}

/** The figures of a message's rows; a message that cannot be made into rows has none. */
function figuresOf(
  table: TableDescription<unknown>,
  rowsOf: ReadRange,
  messages: readonly FeedMessage[],
): RowFigures {
  const read = rowsOf(messages)
  if (read.kind === 'rejected' || (read.refused ?? []).length > 0)
    return { rows: -1, checksum: '0', sums: {} }
  const insert = read.inserts.find(one => one.table === table.name)
  return insert === undefined ? noFigures : figuresOfStream(table, Buffer.concat(insert.parts))
}

function differenceOf(
  table: TableDescription<unknown>,
  rowsOf: ReadRange,
  message: FeedMessage,
  found: FiguresBySequence,
): Difference[] {
  const there = found.between(message.sequence, message.sequence)
  const id = `${table.name}, ${message.natsSubject}, stream_sequence ${message.sequence}`
  const read = rowsOf([message])
  const refusal = read.kind === 'rejected' ? read : read.refused?.[0]
  if (refusal !== undefined)
    return [
      { id, expected: 'rows', found: `${there.rows} rows`, detail: `${refusal.code}: ${refusal.detail}` },
    ]
  const expected = figuresOf(table, rowsOf, [message])
  if (isSame(expected, there)) return []
  const detail = inWords(table, subtractFigures(there, expected))
  return [{ id, expected: `${expected.rows} rows`, found: `${there.rows} rows`, detail }]
}

/** Rows of messages that the stream never had. */
function strays(
  table: TableDescription<unknown>,
  { stream }: Feed,
  found: FiguresBySequence,
  from: number,
  to = Number.MAX_SAFE_INTEGER,
): Difference[] {
  const rows = from > to ? 0 : found.between(from, to).rows
  if (rows === 0) return []
  const detail = `stray: of stream_sequence ${from} on, where ${stream} has no message`
  return [{ id: table.name, expected: '0 rows', found: `${rows} rows`, detail }]
}
