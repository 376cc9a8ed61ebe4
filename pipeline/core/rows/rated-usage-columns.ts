// Puts the rows of `rated_usage` into Arrow: from a rated reading directly into columns, without a row
// object.
// Owns which value goes into which column; rated-usage-row.ts makes the same row as an object, for callers
// that look at rows.
// Invariants: a chunk has at most `maxRows` rows and about `maxBytes` bytes, unless it is a single row; a row
// has the same bytes whether it was added by `add` or by `addScanned`.
// The trick: the values that all rows of a charge share are kept under a number (rated-usage-terms.ts) and a
// row holds that number; when the chunk is full, the columns of the shared values are made from the numbers.

import {
  DecimalColumn,
  Int64Column,
  NanosecondColumn,
  TextColumn,
} from '../../../schemas/arrow/arrow-columns.js'
import { DictionaryColumn } from '../../../schemas/arrow/arrow-dictionary.js'
import { IpcBatch, type IpcDictionary, ipcStream, type TakeMemory } from '../../../schemas/arrow/arrow-ipc.js'
import { MapColumn } from '../../../schemas/arrow/arrow-map-column.js'
import { codedSchema } from '../../../schemas/arrow/arrow-schema.js'
import { ratedUsageTable } from '../../../schemas/tables.js'
import { msOf, nanosOf } from '../../../schemas/time.js'
import type { LedgerOutput } from '../ports/core-io.js'
import type { RatedRow } from '../rate/rate.js'
import { type KeptTerms, TermsTable, type TermText, type UsageTerms } from '../state/rated-usage-terms.js'
import { InputColumns } from './input-columns.js'
import type { RowSpans } from './plain-row.js'
import { appendSpan, putConstant } from './put-column.js'
import { type RatedAt, signedQuantity, termsOf } from './rated-usage-row.js'

/** How rows of usage are encoded in the ledger. */
export const ratedUsageSchema = codedSchema(
  ratedUsageTable,
  ['event_id', 'value', 'correlation_id', 'traceparent'],
  [
    'rated_at',
    'subscription_version',
    'plan_version',
    'period_from',
    'period_until',
    'event_count',
    'input_sequence',
    'partition',
    'ledger_sequence',
  ],
)
const columnNames = ratedUsageTable.columns.map(column => column.name as OwnColumn | TermText)

/** Fixed bytes of a row: its instants, its decimals, its codes and the offsets of its texts. */
const fixedRowBytes = 2 * 8 + 2 * 16 + 20 * 2 + 5 * 4
/** Overhead of a ledger message: the schema, and the position of each dictionary and buffer. */
const overheadBytes = 12 * 1024
/**
 * Codes have 16 bits. A row adds at most one text to a dictionary, but its map may add several to the map's
 * dictionaries.
 */
const maxRowsOfCodes = 65_536
const maxDimensionTexts = 32_768

export class RatedUsageColumns implements KeptTerms {
  readonly #terms = new TermsTable()
  readonly #eventSource = new DictionaryColumn()
  readonly #eventId = new TextColumn()
  readonly #eventTime = new NanosecondColumn()
  readonly #ingestedAt = new Int64Column()
  readonly #value = new TextColumn()
  readonly #quantity = new DecimalColumn()
  readonly #amount = new DecimalColumn()
  readonly #dimensions = new MapColumn()
  readonly #correlationId = new TextColumn()
  readonly #traceparent = new TextColumn()
  readonly #inputs = new InputColumns()
  readonly #maxRows: number
  readonly #maxBytes: number
  #at: RatedAt = { ratedAtMs: 0, partition: 0, ledgerSequence: 0 }
  #rows = 0
  #memory: TakeMemory | undefined
  /** The dimension names of the last scanned row. */
  #lastDimensions: readonly string[] | undefined
  /** Terms of rows in this chunk that came as objects, by charge, or by meter where there is no charge. */
  readonly #known = new Map<object | string, { readonly number: number; readonly terms: UsageTerms }>()

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = Math.min(maxRows, maxRowsOfCodes)
    this.#maxBytes = maxBytes
  }

  /** True when the caller must call `forgetTerms`. */
  get isFull(): boolean {
    return this.#terms.isFull
  }

  keep(terms: UsageTerms): number {
    return this.#terms.keep(terms)
  }

  release(kept: number): void {
    this.#terms.release(kept)
  }

  /** The terms kept under a number. */
  termsOf(kept: number): UsageTerms {
    return this.#terms.termsOf(kept)
  }

  prefetch(numbers: Int32Array, count: number): number {
    return this.#terms.prefetch(numbers, count)
  }

  /** Drops the rows of the current chunk and makes every kept number invalid. */
  forgetTerms(): void {
    this.clear()
    this.#terms.forget()
  }

  /** Adds a row. If the chunk is full, it is written to `out`. */
  add(rated: RatedRow, at: RatedAt, out: LedgerOutput[]): void {
    this.#begin(at, out)
    this.#append(rated)
    if (this.#closeRow(out)) this.add(rated, at, out)
  }

  /** The same for a row given as spans. */
  addScanned(row: RowSpans, at: RatedAt, out: LedgerOutput[]): void {
    this.#begin(at, out)
    this.#appendScanned(row)
    if (this.#closeRow(out)) this.addScanned(row, at, out)
  }

  /** Writes everything that was added to `out`. */
  flush(out: LedgerOutput[]): void {
    if (this.#rows > 0) this.#flushRows(out)
  }

  /** Where the memory of the next chunks is taken from; undefined: each chunk allocates its own. */
  writeInto(memory: TakeMemory | undefined): void {
    this.#memory = memory
  }

  clear(): void {
    this.#terms.clear()
    this.#eventSource.clear()
    this.#eventId.clear()
    this.#eventTime.clear()
    this.#ingestedAt.clear()
    this.#known.clear()
    this.#value.clear()
    this.#quantity.clear()
    this.#amount.clear()
    this.#dimensions.clear()
    this.#correlationId.clear()
    this.#traceparent.clear()
    this.#inputs.clear()
    this.#rows = 0
  }

  #begin(at: RatedAt, out: LedgerOutput[]): void {
    if (at === this.#at) return
    this.flush(out) // a chunk holds rows of one commit
    this.#at = at
  }

  /**
   * True when the row did not fit: then the row has been removed again, and the rows before it were written
   * to `out`.
   */
  #closeRow(out: LedgerOutput[]): boolean {
    this.#rows += 1
    const isTooLarge = this.#rows > 1 && this.#size() > this.#maxBytes
    // The row that did not fit begins the next chunk.
    if (isTooLarge) this.#rows -= 1
    if (isTooLarge || this.#rows >= this.#maxRows || this.#dimensions.count >= maxDimensionTexts)
      this.#flushRows(out)
    return isTooLarge
  }

  #flushRows(out: LedgerOutput[]): void {
    const rows = this.#rows
    const batch = new IpcBatch(rows)
    const dictionaries: IpcDictionary[] = []
    for (const name of columnNames) this.#put(name, batch, dictionaries, rows)
    const bytes = ipcStream(ratedUsageSchema.message, dictionaries, batch, this.#memory)
    out.push({ table: ratedUsageTable.name, bytes, rows })
    this.clear()
  }

  #put(name: OwnColumn | TermText, batch: IpcBatch, dictionaries: IpcDictionary[], rows: number): void {
    const [id = 0, second = 0] = ratedUsageSchema.dictionaryIds.get(name) ?? []
    switch (name) {
      case 'event_source':
        dictionaries.push(this.#eventSource.put(batch, id, rows))
        return
      case 'event_id':
        this.#eventId.put(batch, rows)
        return
      case 'event_time':
        this.#eventTime.put(batch, rows)
        return
      case 'ingested_at':
        this.#ingestedAt.put(batch, rows)
        return
      case 'rated_at':
        dictionaries.push(putConstant(batch, id, 'instant_ms', this.#at.ratedAtMs, rows))
        return
      case 'subscription_version':
        dictionaries.push(this.#terms.putSubscriptionVersions(batch, id, rows))
        return
      case 'plan_version':
        dictionaries.push(this.#terms.putPlanVersions(batch, id, rows))
        return
      case 'period_from':
        dictionaries.push(this.#terms.putPeriods('from', batch, id, this.#eventTime, rows))
        return
      case 'period_until':
        dictionaries.push(this.#terms.putPeriods('until', batch, id, this.#eventTime, rows))
        return
      case 'value':
        this.#value.put(batch, rows)
        return
      case 'quantity':
        this.#quantity.put(batch, rows)
        return
      case 'amount':
        this.#amount.put(batch, rows)
        return
      case 'event_count':
        dictionaries.push(this.#terms.putEventCounts(batch, id, rows))
        return
      case 'dimensions':
        dictionaries.push(...this.#dimensions.put(batch, id, second, rows))
        return
      case 'correlation_id':
        this.#correlationId.put(batch, rows)
        return
      case 'traceparent':
        this.#traceparent.put(batch, rows)
        return
      case 'input_stream':
        dictionaries.push(this.#inputs.putStreams(batch, id, rows))
        return
      case 'input_sequence':
        dictionaries.push(this.#inputs.putSequences(batch, id, rows))
        return
      case 'partition':
        dictionaries.push(putConstant(batch, id, 'uint32', this.#at.partition, rows))
        return
      case 'ledger_sequence':
        dictionaries.push(putConstant(batch, id, 'uint64', this.#at.ledgerSequence, rows))
        return
      default:
        dictionaries.push(this.#terms.putTexts(name, batch, id, rows))
    }
  }

  #append(rated: RatedRow): void {
    const { event, reading } = rated
    this.#terms.append(this.#termsOf(rated))
    this.#eventSource.append(event.source)
    this.#eventId.append(event.id)
    this.#eventTime.append(msOf(event.timeNs), nanosOf(event.timeNs))
    this.#ingestedAt.append(event.ingestedAtMs)
    this.#value.append(reading.text)
    this.#quantity.append(signedQuantity(rated))
    this.#amount.append(rated.amount)
    this.#dimensions.append(reading.dimensions)
    this.#correlationId.append(event.correlationId)
    this.#traceparent.append(event.traceparent)
    this.#inputs.append(event.input)
  }

  #appendScanned(row: RowSpans): void {
    const { bytes } = row
    const repeats = row.sameEvent && this.#rows > 0
    this.#terms.append(row.terms)
    if (repeats) {
      this.#eventSource.repeatLast(1)
      this.#eventId.repeat()
      this.#correlationId.repeat()
      this.#traceparent.repeat()
    } else {
      appendSpan(this.#eventSource, bytes, row.sourceFrom, row.sourceUntil)
      appendSpan(this.#eventId, bytes, row.idFrom, row.idUntil)
      appendSpan(this.#correlationId, bytes, row.correlationFrom, row.correlationUntil)
      appendSpan(this.#traceparent, bytes, row.traceparentFrom, row.traceparentUntil)
    }
    this.#eventTime.append(row.timeMs, row.timeNanos)
    this.#ingestedAt.append(row.ingestedAtMs)
    this.#inputs.append(row.input)
    if (row.value === undefined) this.#value.appendBytes(bytes, row.valueFrom, row.valueUntil)
    else this.#value.append(row.value)
    if (row.quantity === undefined) this.#quantity.appendWords(row.quantityWords)
    else this.#quantity.append(row.quantity)
    if (row.amount === undefined) this.#amount.appendWords(row.amountWords)
    else this.#amount.append(row.amount)
    if (repeats && row.dimensions === this.#lastDimensions) this.#dimensions.repeat()
    else this.#appendDimensions(row)
  }

  #appendDimensions(row: RowSpans): void {
    const { dimensions, dimensionFrom, dimensionUntil } = row
    for (let i = 0; i < dimensions.length; i += 1) {
      const from = dimensionFrom[i]!
      if (from >= 0) this.#dimensions.appendEntry(dimensions[i]!, row.bytes, from, dimensionUntil[i]!)
    }
    this.#dimensions.end()
    this.#lastDimensions = dimensions
  }

  /** Rows of one charge mostly have the same terms. */
  #termsOf(rated: RatedRow): number {
    const key = rated.charge ?? rated.reading.meter
    const known = this.#known.get(key)
    if (known !== undefined && hasTerms(known.terms, rated)) return known.number
    const terms = termsOf(rated)
    const number = this.#terms.keep(terms)
    this.#terms.release(number) // nobody but the rows of this chunk needs them
    this.#known.set(key, { number, terms })
    return number
  }

  /** Roughly the size of the chunk if it were written now. */
  #size(): number {
    return (
      overheadBytes +
      this.#rows * fixedRowBytes +
      this.#terms.size +
      this.#eventSource.size +
      this.#eventId.size +
      this.#value.size +
      this.#dimensions.size +
      this.#correlationId.size +
      this.#traceparent.size +
      this.#inputs.size
    )
  }
}

/** The columns that are not made from the terms. */
type OwnColumn =
  | 'event_source'
  | 'event_id'
  | 'event_time'
  | 'ingested_at'
  | 'rated_at'
  | 'subscription_version'
  | 'plan_version'
  | 'period_from'
  | 'period_until'
  | 'value'
  | 'quantity'
  | 'amount'
  | 'event_count'
  | 'dimensions'
  | 'correlation_id'
  | 'traceparent'
  | 'input_stream'
  | 'input_sequence'
  | 'partition'
  | 'ledger_sequence'

/** Compares the terms that the charge does not determine. */
function hasTerms(terms: UsageTerms, rated: RatedRow): boolean {
  const { event } = rated
  const { texts } = terms
  return (
    terms.subscriptionVersion === rated.subscriptionVersion &&
    terms.planVersion === rated.planVersion &&
    terms.eventCount === rated.eventCount &&
    texts.customer_id === event.customerId &&
    texts.event_type === event.type &&
    texts.pinned_subscription_id === event.pinnedSubscriptionId &&
    texts.meter === rated.reading.meter &&
    texts.plan === rated.plan &&
    texts.entity_id === rated.entityId &&
    texts.kind === rated.kind
  )
}
