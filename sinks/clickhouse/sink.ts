// Writes one range of messages into ClickHouse in one idempotent attempt.
// Invariants:
// 1. One insert per table and range, with the token `<token of the range>:<table>`. ClickHouse keeps the
//    first insert of a token and silently drops a second, even with other rows; so a token must always have
//    the same rows. The deliver loop ensures this (it records the range before the first attempt); records.ts
//    adds no data of its own.
// 2. An insert whose content was refused wrote nothing. It is split only after that was recorded, and is
//    never tried as a whole again.
// 3. The answer is `ok` only when every insert succeeded: the position of the feed never passes unwritten
//    rows.

import type { ClickHouseClient } from '@clickhouse/client'
import type { Apart, FeedMessage, FeedRange, RefusedRecord, Sink, SinkOutcome } from '../sink.js'
import { insertsOfArrivals } from './arrival-rows.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { insertArrow } from './insert.js'
import { isOfTheRecord, outcomeOfError } from './outcome.js'
import {
  insertsOfAudit,
  insertsOfBilling,
  insertsOfDeliveries,
  insertsOfLedger,
  insertsOfPostings,
  insertsOfResolutions,
  insertsOfSummaries,
  ledgerTables,
  type RangeInserts,
  type TableInsert,
} from './records.js'
import { RowsFolder } from './rows-folder.js'
import { contentOf, halvesOf, sequenceOf } from './take-apart.js'

export type ReadRange = (messages: readonly FeedMessage[]) => RangeInserts

/** The tables of each kind of feed. */
const tablesOf = new Map<ReadRange, readonly string[]>([
  [insertsOfLedger, ledgerTables],
  [insertsOfBilling, ['billing_batches', 'batch_lines']],
  [insertsOfPostings, ['journal_entries', 'revenue_schedule']],
  [insertsOfSummaries, ['journal_summaries']],
  [insertsOfDeliveries, ['deliveries']],
  [insertsOfResolutions, ['exception_resolutions']],
  [insertsOfAudit, ['audit_log']],
  [insertsOfArrivals, ['arrivals', 'arrival_events']],
])

export class ClickHouseSink implements Sink {
  readonly name = 'clickhouse'
  readonly #client: ClickHouseClient
  readonly #folder: RowsFolder
  readonly #inserts: ReadRange

  /** `inserts` is the function of records.ts for the feed, such as `insertsOfLedger`. */
  constructor(config: ClickHouseConfig, inserts: ReadRange = insertsOfLedger) {
    this.#client = openClickHouse(config)
    this.#folder = new RowsFolder(config)
    this.#inserts = inserts
  }

  async apply(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    // The client ignores a signal that has fired already.
    if (signal.aborted) return { kind: 'retryable', code: 'aborted', detail: 'stopped before the attempt' }
    const read = this.#inserts(range.messages)
    if (read.kind === 'rejected') return read
    const malformed = (read.refused ?? []).map(one => ({ ...one, token: `${range.token}:${one.name}` }))
    const outcomes = await Promise.all(read.inserts.map(insert => this.#put(insert, range, signal)))
    return firstTrouble(outcomes) ?? sumOf([...outcomes, { kind: 'ok', rows: 0, refused: malformed }])
  }

  /** Inserts a row under the token under which it was refused; that attempt wrote nothing. */
  async applyRefused(
    { table, name, bytes, token }: RefusedRecord,
    signal: AbortSignal,
  ): Promise<SinkOutcome> {
    if (bytes === '') return { kind: 'rejected', code: 'malformed', detail: 'it makes no row' }
    const insert = { table, name, parts: [Buffer.from(bytes, 'base64')] }
    try {
      return { kind: 'ok', rows: await insertArrow(this.#client, this.#folder, { ...insert, token }, signal) }
    } catch (error) {
      return outcomeOfError(error)
    }
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

  /** Writes an insert, or its halves if its content was refused before. */
  async #put(insert: TableInsert, range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    const refused = range.apart?.find(one => one.name === insert.name)
    if (refused === undefined) return this.#insert(insert, range.token, signal)
    const halves = halvesOf(insert)
    if (halves === undefined) return { kind: 'ok', rows: 0, refused: [refusedRow(insert, refused, range)] }
    const outcomes: SinkOutcome[] = []
    for (const half of halves) outcomes.push(await this.#put(half, range, signal))
    return firstTrouble(outcomes) ?? sumOf(outcomes)
  }

  async #insert(insert: TableInsert, rangeToken: string, signal: AbortSignal): Promise<SinkOutcome> {
    try {
      const token = `${rangeToken}:${insert.name}` // invariant 1
      const rows = await insertArrow(this.#client, this.#folder, { ...insert, token }, signal)
      return { kind: 'ok', rows }
    } catch (error) {
      const outcome = outcomeOfError(error)
      return isOfTheRecord(error) ? { ...outcome, kind: 'apart', name: insert.name } : outcome
    }
  }
}

/** The first failure; `apart` comes last, so that inserts are split only when the others can be written. */
function firstTrouble(outcomes: readonly SinkOutcome[]): SinkOutcome | undefined {
  const trouble = outcomes.filter(outcome => outcome.kind !== 'ok')
  return trouble.find(outcome => outcome.kind !== 'apart') ?? trouble[0]
}

function sumOf(outcomes: readonly SinkOutcome[]): SinkOutcome {
  const rows = outcomes.reduce((sum, outcome) => sum + (outcome.kind === 'ok' ? outcome.rows : 0), 0)
  const refused = outcomes.flatMap(outcome => (outcome.kind === 'ok' ? (outcome.refused ?? []) : []))
  return { kind: 'ok', rows, ...(refused.length === 0 ? {} : { refused }) }
}

function refusedRow(
  insert: TableInsert,
  { code, detail }: Apart,
  { from, to, token }: FeedRange,
): RefusedRecord {
  return {
    name: `${from}-${to}:${insert.name}`,
    sequence: sequenceOf(insert),
    table: insert.table,
    code,
    detail,
    content: contentOf(insert),
    bytes: Buffer.concat(insert.parts).toString('base64'),
    token: `${token}:${insert.name}`,
  }
}
