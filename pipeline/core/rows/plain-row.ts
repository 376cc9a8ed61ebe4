// The rows of a plain event: which spans of its message, and what of its route, go into them.

import type { Scaled } from '../../../schemas/money/decimal.js'
import { scaledOfWords, wordsOfAmount } from '../../../schemas/money/decimal-words.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import { nsOf } from '../../../schemas/time.js'
import type { MeterSlots } from '../scan/meter-slots.js'
import * as scanned from '../scan/scanned-events.js'
import { type ScannedEvents, textOf, valueKinds } from '../scan/scanned-events.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'
import { fieldsOfTerms, type RatedAt } from './rated-usage-row.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { textWords } = scanned
const { id, source, correlationid, traceparent } = scanned.textPlaces

/**
 * A row that serves one event after the other: nothing of it is kept. Spans are offsets into `bytes`, which holds valid
 * UTF-8 there and no escapes; -1 is a text that is not there.
 */
export class PlainRow {
  bytes: Uint8Array = new Uint8Array()
  /** Whether the row before this one was of the same event; then only what follows `value` is looked at, and `dimensions`. */
  sameEvent = false
  sourceFrom = -1
  sourceUntil = -1
  idFrom = -1
  idUntil = -1
  correlationFrom = -1
  correlationUntil = -1
  traceparentFrom = -1
  traceparentUntil = -1
  timeMs = 0
  /** The nanoseconds beyond it. */
  timeNanos = 0
  ingestedAtMs = 0
  /** The reading's text: this, or if it is undefined, the span. */
  value: string | undefined = undefined
  valueFrom = -1
  valueUntil = -1
  /** Undefined: as the words beside it say. */
  quantity: Scaled | undefined = undefined
  readonly quantityWords: Uint32Array = new Uint32Array(wordsOfAmount)
  amount: Scaled | undefined = undefined
  readonly amountWords: Uint32Array = new Uint32Array(wordsOfAmount)
  /** As `keep` returned it. */
  terms = -1
  /** Names of the meter's dimensions in their order, and where their values are; those that the event lacks have -1. */
  dimensions: readonly string[] = []
  readonly dimensionFrom: number[] = []
  readonly dimensionUntil: number[] = []

  beginEvent(
    scan: ScannedEvents,
    event: number,
    timeMs: number,
    timeNanos: number,
    ingestedAtMs: number,
  ): void {
    this.bytes = scan.bytes
    this.sameEvent = false
    const { texts } = scan
    const at = event * textWords
    this.sourceFrom = texts[at + source * 2]!
    this.sourceUntil = texts[at + source * 2 + 1]!
    this.idFrom = texts[at + id * 2]!
    this.idUntil = texts[at + id * 2 + 1]!
    this.correlationFrom = texts[at + correlationid * 2]!
    this.correlationUntil = texts[at + correlationid * 2 + 1]!
    this.traceparentFrom = texts[at + traceparent * 2]!
    this.traceparentUntil = texts[at + traceparent * 2 + 1]!
    this.timeMs = timeMs
    this.timeNanos = timeNanos
    this.ingestedAtMs = ingestedAtMs
  }

  /** What the meter reads; the dimensions are left as they are where the meter before had the same. */
  putReading(scan: ScannedEvents, event: number, { value, dimensions, dimensionNames }: MeterSlots): void {
    const first = event * scan.slots
    this.value = value === undefined ? '1' : undefined
    this.valueFrom = value === undefined ? -1 : scan.valueFrom[first + value.slot]!
    this.valueUntil = value === undefined ? -1 : scan.valueUntil[first + value.slot]!
    if (this.sameEvent && this.dimensions === dimensionNames) return
    this.dimensions = dimensionNames
    for (let i = 0; i < dimensions.length; i += 1) {
      const at = first + dimensions[i]!.slot
      const kind = scan.valueKind[at]
      const isKept = kind !== valueKinds.missing && kind !== valueKinds.other
      this.dimensionFrom[i] = isKept ? scan.valueFrom[at]! : -1
      this.dimensionUntil[i] = isKept ? scan.valueUntil[at]! : -1
    }
  }
}

/** What a row says, whoever has filled it. */
export type RowSpans = Omit<PlainRow, 'beginEvent' | 'putReading'>

/** The same as an object, for those who look at rows. */
export function plainUsageRow(row: RowSpans, terms: UsageTerms, at: RatedAt): RatedUsageRow {
  const text = (from: number, until: number): string => textOf(row.bytes, from, until)
  const dimensions = new Map<string, string>()
  row.dimensions.forEach((name, i) => {
    if (row.dimensionFrom[i]! >= 0) dimensions.set(name, text(row.dimensionFrom[i]!, row.dimensionUntil[i]!))
  })
  const timeNs = nsOf(row.timeMs, row.timeNanos)
  return {
    eventSource: text(row.sourceFrom, row.sourceUntil),
    eventId: text(row.idFrom, row.idUntil),
    eventTimeNs: timeNs,
    ingestedAtMs: row.ingestedAtMs,
    value: row.value ?? text(row.valueFrom, row.valueUntil),
    quantity: row.quantity ?? scaledOfWords(row.quantityWords),
    amount: row.amount ?? scaledOfWords(row.amountWords),
    dimensions,
    correlationId: text(row.correlationFrom, row.correlationUntil),
    traceparent: text(row.traceparentFrom, row.traceparentUntil),
    ...fieldsOfTerms(terms, timeNs, at),
  }
}
