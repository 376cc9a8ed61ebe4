// Compares one table with the stream that feeds it, stretch by stretch; where they differ, message by message.
// Invariant: memory holds figures of stretches, and those of messages only for the stretch that differs.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import {
  addFigures,
  figuresOfStream,
  isSame,
  noFigures,
  type RowFigures,
  subtractFigures,
} from '../../schemas/rows/row-figures.js'
import type { RangeInserts } from '../../sinks/clickhouse/records.js'
import type { StreamTable } from '../../sinks/clickhouse/stream-tables.js'
import type { FeedMessage } from '../../sinks/sink.js'
import type { Feed } from '../deliver/feed.js'
import { type Bounds, FiguresBySequence, newestSequence } from './figures-by-sequence.js'
import { inWords } from './ledger-tables.js'
import { type Check, checkOf, type Difference, unreadableCheck } from './report.js'
import { chunksOf } from './stream-chunks.js'

export interface StreamSource {
  readonly clickhouse: ClickHouseClient
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  readonly feeds: readonly Feed[]
}

/** Sequences of a stretch: those with the same quotient. */
const stretchLength = 500
/** So many stretches of a table at most are compared message by message. */
const mostLocated = 8

/** Messages of one stretch. */
export interface Stretch {
  readonly number: number
  messages: number
  /** Of the rows that they are made into, by table. */
  readonly figures: Map<string, RowFigures>
}

export function stretchOf({ sequence }: FeedMessage): number {
  return Math.floor(sequence / stretchLength)
}

/** The figures of the messages' rows; those of messages that cannot be made into rows are like those of no rows at all. */
export function figuresOfInserts({ table }: StreamTable, read: RangeInserts): RowFigures {
  if (read.kind === 'rejected' || (read.refused ?? []).length > 0) return { ...noFigures, rows: Number.NaN }
  const insert = read.inserts.find(one => one.table === table.name)
  return insert === undefined ? noFigures : figuresOfStream(table, Buffer.concat(insert.parts))
}

export class StreamComparison {
  readonly #source: StreamSource
  readonly #feed: Feed
  readonly #of: StreamTable
  readonly #differences: Difference[] = []
  #rows: FiguresBySequence | undefined
  /** The newest sequence of any row. */
  #newest = 0
  #error: unknown
  #compared = 0
  #located = 0
  /** The first sequence that is not compared yet. */
  #next = 0

  constructor(source: StreamSource, feed: Feed, of: StreamTable) {
    this.#source = source
    this.#feed = feed
    this.#of = of
  }

  /** A table that cannot be read is told of as such; the others of the stream go on. */
  async readRows(bounds: Required<Pick<Bounds, 'from' | 'until'>>): Promise<void> {
    const { clickhouse } = this.#source
    this.#next = bounds.from
    try {
      this.#newest = await newestSequence(clickhouse, this.#of.table)
      this.#rows = await FiguresBySequence.read(clickhouse, this.#of.table, {
        ...bounds,
        step: stretchLength,
      })
    } catch (error) {
      this.#error = error
    }
  }

  /** Stretches come in their order; one without messages does not come. */
  async compare({ number, messages, figures }: Stretch): Promise<void> {
    if (this.#rows === undefined) return
    const from = number * stretchLength
    const to = from + stretchLength - 1
    this.#noRows(this.#next, from - 1)
    this.#next = to + 1
    this.#compared += messages
    const [expected, found] = [figures.get(this.#of.table.name) ?? noFigures, this.#rows.between(from, to)]
    if (isSame(expected, found)) return
    this.#located += 1
    const named = this.#located > mostLocated ? [] : await this.#locate(from, to)
    this.#differences.push(...(named.length > 0 ? named : [this.#ofStretch(from, to, expected, found)]))
  }

  /** `until`: what the feed has delivered; `last`: the newest message of the stream. */
  checked(until: number, last: number): Check {
    const { table } = this.#of
    const check = `table_${table.name}`
    const claim = `ClickHouse has every row of ${table.name} as ${this.#feed.stream} has it`
    if (this.#rows === undefined) return unreadableCheck(check, claim, this.#error)
    this.#noRows(this.#next, until)
    if (this.#newest > last) this.#differences.push(this.#stray(last + 1, 'rows'))
    return checkOf(check, claim, this.#compared, this.#differences)
  }

  failed(error: unknown): void {
    this.#rows = undefined
    this.#error = error
  }

  /** Rows of messages that the stream never had. */
  #noRows(from: number, to: number): void {
    const rows = from > to ? 0 : this.#rows!.between(from, to).rows
    if (rows !== 0) this.#differences.push(this.#stray(from, `${rows} rows`))
  }

  #stray(from: number, found: string): Difference {
    const detail = `stray: of stream_sequence ${from} on, where ${this.#feed.stream} has no message`
    return { id: this.#of.table.name, expected: '0 rows', found, detail }
  }

  #ofStretch(from: number, to: number, expected: RowFigures, found: RowFigures): Difference {
    const { table } = this.#of
    const detail = inWords(table, subtractFigures(found, expected))
    const id = `${table.name}, stream_sequence ${from} to ${to}`
    return { id, expected: `${expected.rows} rows`, found: `${found.rows} rows`, detail }
  }

  async #locate(from: number, to: number): Promise<Difference[]> {
    const { table } = this.#of
    const rows = await FiguresBySequence.read(this.#source.clickhouse, table, { from, until: to })
    const differences: Difference[] = []
    let ofMessages = noFigures
    for await (const messages of chunksOf(this.#source, this.#feed, Math.max(1, from), to))
      for (const message of messages) {
        const there = rows.between(message.sequence, message.sequence)
        ofMessages = addFigures(ofMessages, there)
        differences.push(...this.#differenceOf(message, there))
      }
    const { rows: strays } = subtractFigures(rows.upTo(to), ofMessages)
    return strays === 0 ? differences : [...differences, this.#stray(from, `${strays} rows`)]
  }

  #differenceOf(message: FeedMessage, there: RowFigures): Difference[] {
    const { table, rowsOf } = this.#of
    const id = `${table.name}, ${message.natsSubject}, stream_sequence ${message.sequence}`
    const found = `${there.rows} rows`
    const read = rowsOf([message])
    const refusal = read.kind === 'rejected' ? read : read.refused?.[0]
    if (refusal !== undefined)
      return [{ id, expected: 'rows', found, detail: `${refusal.code}: ${refusal.detail}` }]
    const expected = figuresOfInserts(this.#of, read)
    if (isSame(expected, there)) return []
    const detail = inWords(table, subtractFigures(there, expected))
    return [{ id, expected: `${expected.rows} rows`, found, detail }]
  }
}
