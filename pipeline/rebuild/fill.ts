// Fills the new table from the stream, a span of messages at a time.
// Invariants:
// 1. A span's inserts are named by the job and its sequences, and spans are cut in the same way whenever they are read from
//    the same place up to the same end; so ClickHouse drops what a step that is made again repeats.
// 2. Of LEDGER only what sealed checkpoints name is taken, and all of it, as the feed takes it.

import type { ClickHouseClient } from '@clickhouse/client'
import { addFigures, figuresOfStream, type RowFigures } from '../../schemas/rows/row-figures.js'
import { insertArrow } from '../../sinks/clickhouse/insert.js'
import { isOfTheRecord } from '../../sinks/clickhouse/outcome.js'
import type { RowsFolder } from '../../sinks/clickhouse/rows-folder.js'
import type { FeedMessage } from '../../sinks/sink.js'
import { genesisOf } from '../broker/genesis.js'
import { defaultDeliverLimits } from '../deliver/deliver-limits.js'
import type { Heads } from '../deliver/delivery-record.js'
import { LedgerCommits } from '../deliver/ledger-commits.js'
import { type FeedSource, type ReadMessage, readFeed } from '../deliver/read-feed.js'
import type { FeatureParts } from '../feature/feature.js'
import { JobFailure } from '../jobs/job-kind.js'
import { readLastSequence } from '../ledger/checkpoint.js'
import { newName, type RebuiltTable } from './rebuilt-table.js'

export interface FillParts extends Pick<FeatureParts, 'js' | 'jsm'> {
  readonly clickhouse: ClickHouseClient
  readonly folder: RowsFolder
}

export interface Filled {
  /** The next sequence to be read. */
  readonly next: number
  readonly heads: Heads
  /** Of all rows that were written. */
  readonly figures: RowFigures
}

export interface FillOptions {
  readonly jobId: string
  readonly until: number
  /** The most messages of a span. */
  readonly spanMessages: number
  /** Ends after the span under way. */
  readonly isOver: () => boolean
}

export const usualSpan = 500
const spanBytes = 32 << 20

export async function fill(
  parts: FillParts,
  of: RebuiltTable,
  from: Filled,
  options: FillOptions,
  signal: AbortSignal,
): Promise<Filled> {
  const reading = await openReading(parts, of, from, options.until, signal)
  if (reading === undefined) return from
  let [filled, span, bytes]: [Filled, FeedMessage[], number] = [from, [], 0]
  const flush = async (): Promise<void> => {
    const end = span.at(-1)
    if (end === undefined) return
    const name = `rebuild:${options.jobId}:${of.table.name}:${span[0]!.sequence}-${end.sequence}`
    const figures = addFigures(filled.figures, await insertSpan(parts, of, span, name))
    filled = { next: end.sequence + 1, heads: reading.headsAt(end.sequence), figures }
    span = []
    bytes = 0
  }
  try {
    for await (const message of reading.messages) {
      span.push(message)
      bytes += message.bytes.byteLength
      if (span.length < options.spanMessages && bytes < spanBytes) continue
      await flush()
      if (options.isOver()) break
    }
    signal.throwIfAborted()
    await flush()
    return filled
  } finally {
    reading.stop()
  }
}

export interface Reading {
  /** Up to the last one that was wanted. */
  readonly messages: AsyncIterable<FeedMessage>
  headsAt(sequence: number): Heads
  stop(): void
}

/** The messages from `from.next` up to `until`, as the feed takes them; undefined: there are none. */
export async function openReading(
  { js, jsm }: Pick<FillParts, 'js' | 'jsm'>,
  { feed, isOfLedger }: RebuiltTable,
  from: Filled,
  until: number,
  signal: AbortSignal,
): Promise<Reading | undefined> {
  const { stream, filterSubjects } = feed
  const lasts = await Promise.all(filterSubjects.map(subject => readLastSequence(jsm, stream, subject)))
  const last = Math.min(until, Math.max(...lasts))
  if (from.next > last) return undefined
  const stopping = new AbortController()
  const source: FeedSource = { js, jsm, stream, filterSubjects }
  const commits = isOfLedger ? await openCommits(source, from) : undefined
  const both = AbortSignal.any([signal, stopping.signal])
  const read = readFeed(commits?.source ?? source, from.next, defaultDeliverLimits, both)
  return {
    messages: upTo(commits?.authentic(read) ?? read, last),
    headsAt: sequence => commits?.headsAt(sequence) ?? {},
    stop: () => stopping.abort(),
  }
}

async function* upTo(read: AsyncIterable<ReadMessage>, last: number): AsyncGenerator<FeedMessage> {
  for await (const message of read) {
    if (message.sequence > last) return
    if (message.foreign !== true) yield message
    if (message.sequence === last) return
  }
}

/** The figures of the rows. */
export async function insertSpan(
  { clickhouse, folder }: FillParts,
  { table, rowsOf }: RebuiltTable,
  messages: readonly FeedMessage[],
  token: string,
): Promise<RowFigures> {
  const read = rowsOf(messages)
  const refusal = read.kind === 'rejected' ? read : read.refused?.[0]
  if (refusal !== undefined) throw new JobFailure('row_refused', `${refusal.code}: ${refusal.detail}`)
  let figures: RowFigures = { rows: 0, checksum: '0', sums: {} }
  for (const { table: name, name: part, parts } of read.kind === 'ok' ? read.inserts : []) {
    if (name !== table.name) continue
    const into = { table: newName(name), parts, token: `${token}:${part}` }
    await insertArrow(clickhouse, folder, into).catch(error => {
      throw isOfTheRecord(error) ? new JobFailure('row_refused', String(error)) : error
    })
    figures = addFigures(figures, figuresOfStream(table, Buffer.concat(parts)))
  }
  return figures
}

async function openCommits(source: FeedSource, { next, heads }: Filled): Promise<LedgerCommits> {
  const genesis = await genesisOf(source.jsm)
  return LedgerCommits.open({ source, genesis, heads, position: next - 1, onForeign: () => undefined })
}
