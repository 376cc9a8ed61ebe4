// The rows of `rated_usage` on their way into Arrow: from a rated reading straight into columns, with no row between.
// Owns which value goes into which column; `ratedUsageRow` is the same as an object, for those who look at rows.
// Invariant: a chunk is at most `maxRows` and about `maxBytes` long, unless it is a single row.

import type { Data } from 'apache-arrow'
import {
  DecimalColumn,
  Int8Column,
  Int64Column,
  MapColumn,
  TextColumn,
  Uint32Column,
} from '../../schemas/arrow-columns.js'
import { encodeBatch } from '../../schemas/arrow-schema.js'
import { type RatedUsageRow, ratedUsageTable } from '../../schemas/tables.js'
import type { RatedRow } from '../stages/rate.js'
import type { LedgerOutput } from './core-io.js'

/** What all rows of one commit have in common. */
export interface RatedAt {
  readonly ratedAtMs: number
  readonly partition: number
  readonly ledgerSequence: number
}

/** Of a row: instants and counters, decimals, whole numbers, and the offsets of its texts. */
const fixedRowBytes = 7 * 8 + 2 * 16 + 2 * 4 + 1 + 18 * 4
/** Of a message: the schema and where each buffer lies. */
const overheadBytes = 8 * 1024

export class RatedUsageColumns {
  readonly #eventSource = new TextColumn()
  readonly #eventId = new TextColumn()
  readonly #eventType = new TextColumn()
  readonly #eventTime = new Int64Column('instant_ms')
  readonly #ingestedAt = new Int64Column('instant_ms')
  readonly #ratedAt = new Int64Column('instant_ms')
  readonly #customerId = new TextColumn()
  readonly #pinnedSubscriptionId = new TextColumn()
  readonly #subscriptionId = new TextColumn()
  readonly #subscriptionVersion = new Int64Column('uint64')
  readonly #plan = new TextColumn()
  readonly #planVersion = new Uint32Column()
  readonly #price = new TextColumn()
  readonly #meter = new TextColumn()
  readonly #chargeId = new TextColumn()
  readonly #periodFrom = new Int64Column('instant_ms')
  readonly #periodUntil = new Int64Column('instant_ms')
  readonly #value = new TextColumn()
  readonly #quantity = new DecimalColumn()
  readonly #amount = new DecimalColumn()
  readonly #currency = new TextColumn()
  readonly #entityId = new TextColumn()
  readonly #kind = new TextColumn()
  readonly #eventCount = new Int8Column()
  readonly #dimensions = new MapColumn()
  readonly #correlationId = new TextColumn()
  readonly #traceparent = new TextColumn()
  readonly #partition = new Uint32Column()
  readonly #ledgerSequence = new Int64Column('uint64')

  /** In the table's order. */
  readonly #columns = [
    this.#eventSource,
    this.#eventId,
    this.#eventType,
    this.#eventTime,
    this.#ingestedAt,
    this.#ratedAt,
    this.#customerId,
    this.#pinnedSubscriptionId,
    this.#subscriptionId,
    this.#subscriptionVersion,
    this.#plan,
    this.#planVersion,
    this.#price,
    this.#meter,
    this.#chargeId,
    this.#periodFrom,
    this.#periodUntil,
    this.#value,
    this.#quantity,
    this.#amount,
    this.#currency,
    this.#entityId,
    this.#kind,
    this.#eventCount,
    this.#dimensions,
    this.#correlationId,
    this.#traceparent,
    this.#partition,
    this.#ledgerSequence,
  ] as const
  readonly #maxRows: number
  readonly #maxBytes: number
  #rows = 0

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = maxRows
    this.#maxBytes = maxBytes
  }

  /** Adds a row; a chunk that is full goes to `out`. */
  add(rated: RatedRow, at: RatedAt, out: LedgerOutput[]): void {
    this.#append(rated, at)
    this.#rows += 1
    if (this.#rows >= this.#maxRows) this.flush(out)
    else if (this.#rows > 1 && this.#size() > this.#maxBytes) {
      // The row that was too much begins the next chunk.
      this.#rows -= 1
      this.flush(out)
      this.add(rated, at, out)
    }
  }

  /** Everything that was added goes to `out`. */
  flush(out: LedgerOutput[]): void {
    const rows = this.#rows
    if (rows === 0) return
    const children = this.#columns.map((column): Data => column.data(rows))
    out.push({ table: ratedUsageTable.name, bytes: encodeBatch(ratedUsageTable, children, rows), rows })
    this.clear()
  }

  clear(): void {
    for (const column of this.#columns) column.clear()
    this.#rows = 0
  }

  #append(rated: RatedRow, at: RatedAt): void {
    const { event, reading, charge } = rated
    this.#eventSource.append(event.source)
    this.#eventId.append(event.id)
    this.#eventType.append(event.type)
    this.#eventTime.append(event.timeMs)
    this.#ingestedAt.append(event.ingestedAtMs)
    this.#ratedAt.append(at.ratedAtMs)
    this.#customerId.append(event.customerId)
    this.#pinnedSubscriptionId.append(event.pinnedSubscriptionId)
    this.#subscriptionId.append(charge === undefined ? '' : charge.subscriptionId)
    this.#subscriptionVersion.append(rated.subscriptionVersion)
    this.#plan.append(rated.plan)
    this.#planVersion.append(rated.planVersion)
    this.#price.append(charge === undefined ? '' : charge.price)
    this.#meter.append(reading.meter)
    this.#chargeId.append(charge === undefined ? '' : charge.chargeId)
    this.#periodFrom.append(charge === undefined ? event.timeMs : charge.fromMs)
    this.#periodUntil.append(charge === undefined ? event.timeMs : charge.untilMs)
    this.#value.append(reading.text)
    this.#quantity.append(signedQuantity(rated))
    this.#amount.append(rated.amount)
    this.#currency.append(charge === undefined ? '' : charge.currency)
    this.#entityId.append(rated.entityId)
    this.#kind.append(rated.kind)
    this.#eventCount.append(rated.eventCount)
    this.#dimensions.append(reading.dimensions)
    this.#correlationId.append(event.correlationId)
    this.#traceparent.append(event.traceparent)
    this.#partition.append(at.partition)
    this.#ledgerSequence.append(at.ledgerSequence)
  }

  /** About how long the chunk would be now. */
  #size(): number {
    return (
      overheadBytes +
      this.#rows * fixedRowBytes +
      this.#eventSource.size +
      this.#eventId.size +
      this.#eventType.size +
      this.#customerId.size +
      this.#pinnedSubscriptionId.size +
      this.#subscriptionId.size +
      this.#plan.size +
      this.#price.size +
      this.#meter.size +
      this.#chargeId.size +
      this.#value.size +
      this.#currency.size +
      this.#entityId.size +
      this.#kind.size +
      this.#dimensions.size +
      this.#correlationId.size +
      this.#traceparent.size
    )
  }
}

function signedQuantity({ eventCount, reading }: RatedRow): bigint {
  return eventCount < 0 ? -reading.quantity : reading.quantity
}

export function ratedUsageRow(rated: RatedRow, at: RatedAt): RatedUsageRow {
  const { event, reading, charge } = rated
  return {
    eventSource: event.source,
    eventId: event.id,
    eventType: event.type,
    eventTimeMs: event.timeMs,
    ingestedAtMs: event.ingestedAtMs,
    ratedAtMs: at.ratedAtMs,
    customerId: event.customerId,
    pinnedSubscriptionId: event.pinnedSubscriptionId,
    subscriptionId: charge === undefined ? '' : charge.subscriptionId,
    subscriptionVersion: rated.subscriptionVersion,
    plan: rated.plan,
    planVersion: rated.planVersion,
    price: charge === undefined ? '' : charge.price,
    meter: reading.meter,
    chargeId: charge === undefined ? '' : charge.chargeId,
    periodFromMs: charge === undefined ? event.timeMs : charge.fromMs,
    periodUntilMs: charge === undefined ? event.timeMs : charge.untilMs,
    value: reading.text,
    quantity: signedQuantity(rated),
    amount: rated.amount,
    currency: charge === undefined ? '' : charge.currency,
    entityId: rated.entityId,
    kind: rated.kind,
    eventCount: rated.eventCount,
    dimensions: reading.dimensions,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    partition: at.partition,
    ledgerSequence: at.ledgerSequence,
  }
}
