// Writes one range of messages into ClickHouse in one idempotent attempt.
// Invariants:
// 1. One insert per table and range, named `<token of the range>:<table>`. ClickHouse keeps the first insert of a name
//    and drops a second in silence, whatever it holds; so a name must always stand for the same rows. The deliver loop
//    sees to that (it writes the range down before the first attempt); records.ts adds nothing of its own.
// 2. The answer is `ok` only when every insert was answered: the position of the feed never passes what is not there.

import type { ClickHouseClient } from '@clickhouse/client'
import type { FeedMessage, FeedRange, Sink, SinkOutcome } from '../sink.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { insertArrow } from './insert.js'
import { outcomeOfError } from './outcome.js'
import {
  insertsOfBilling,
  insertsOfLedger,
  insertsOfPostings,
  ledgerTables,
  type RangeInserts,
  type TableInsert,
} from './records.js'
import { RowsFolder } from './rows-folder.js'

export type ReadRange = (messages: readonly FeedMessage[]) => RangeInserts

/** Where the rows of each kind of feed go. */
const tablesOf = new Map<ReadRange, readonly string[]>([
  [insertsOfLedger, ledgerTables],
  [insertsOfBilling, ['billing_batches']],
  [insertsOfPostings, ['journal_entries']],
])

export class ClickHouseSink implements Sink {
  readonly name = 'clickhouse'
  readonly #client: ClickHouseClient
  readonly #folder: RowsFolder
  readonly #inserts: ReadRange

  /** `inserts` is that of the feed: `insertsOfLedger`, `insertsOfBilling` or `insertsOfPostings`. */
  constructor(config: ClickHouseConfig, inserts: ReadRange = insertsOfLedger) {
    this.#client = openClickHouse(config)
    this.#folder = new RowsFolder(config)
    this.#inserts = inserts
  }

  async apply(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    // The client only hears of a signal that fires later.
    if (signal.aborted) return { kind: 'retryable', code: 'aborted', detail: 'stopped before the attempt' }
    const read = this.#inserts(range.messages)
    if (read.kind === 'rejected') return read
    const outcomes = await Promise.all(read.inserts.map(insert => this.#insert(insert, range.token, signal)))
    return outcomes.find(outcome => outcome.kind !== 'ok') ?? sumOf(outcomes)
  }

  async isUntouched(signal: AbortSignal): Promise<boolean> {
    const counts = (tablesOf.get(this.#inserts) ?? []).map(table => `SELECT count() AS n FROM ${table}`)
    const query = `SELECT toInt32(sum(n) > 0) AS touched FROM (${counts.join(' UNION ALL ')})`
    const result = await this.#client.query({ query, format: 'JSONEachRow', abort_signal: signal })
    const [row] = await result.json<{ touched: number }>()
    return row?.touched === 0
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #insert(insert: TableInsert, rangeToken: string, signal: AbortSignal): Promise<SinkOutcome> {
    try {
      const token = `${rangeToken}:${insert.name}` // invariant 1
      const rows = await insertArrow(this.#client, this.#folder, { ...insert, token }, signal)
      return { kind: 'ok', rows }
    } catch (error) {
      return outcomeOfError(error)
    }
  }
}

function sumOf(outcomes: readonly SinkOutcome[]): SinkOutcome {
  const rows = outcomes.reduce((sum, outcome) => sum + (outcome.kind === 'ok' ? outcome.rows : 0), 0)
  return { kind: 'ok', rows }
}
