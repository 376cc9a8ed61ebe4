// Fills the rows of a plain event: which spans of its message, and which values of its route, go into them.

import { type EventInput, noInput } from '../../../schemas/event/event-input.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { scaledOfWords, wordsOfAmount } from '../../../schemas/money/decimal-words.js'
import type { RatedUsageRow } from '../../../schemas/tables.js'
import { nsOf } from '../../../schemas/time.js'
import type { MeterSlots } from '../scan/meter-slots.js'
import * as scanned from '../scan/scanned-events.js'
import { type ScannedEvents, textOf, valueKinds } from '../scan/scanned-events.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'
import { fieldsOfTerms, type RatedAt } from './rated-usage-row.js'

// An imported binding is looked up at every use; a constant of this module is compiled in.
const { textWords } = scanned
const { id, source, correlationid, traceparent } = scanned.textPlaces

/**
 * A row object that is reused for one event after another; nothing may keep it. Spans are offsets into
 * `bytes`, which holds valid UTF-8 without escapes there; -1 stands for an absent text.
 */
export class PlainRow {
  bytes: Uint8Array = new Uint8Array()
  /**
   * Whether the previous row had the same event; then a reader looks only at `dimensions` and at what follows
   * `value`.
   */
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
  /** The nanoseconds beyond `timeMs`. */
  timeNanos = 0
  ingestedAtMs = 0
  input: EventInput = noInput
  /** The reading's text; if undefined, the span holds it. */
  value: string | undefined = undefined
  valueFrom = -1
  valueUntil = -1
  /** If undefined, the words below hold it. */
  quantity: Scaled | undefined = undefined
  readonly quantityWords: Uint32Array = new Uint32Array(wordsOfAmount)
  amount: Scaled | undefined = undefined
  readonly amountWords: Uint32Array = new Uint32Array(wordsOfAmount)
  /** The number that `keep` returned. */
  terms = -1
  /**
   * The meter's dimension names in order, and the spans of their values; -1 for a dimension that the event
   * lacks.
   */
  dimensions: readonly string[] = []
  readonly dimensionFrom: number[] = []
  readonly dimensionUntil: number[] = []

  beginEvent(
    scan: ScannedEvents,
    event: number,
    timeMs: number,
    timeNanos: number,
    ingestedAtMs: number,
    input: EventInput,
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
    this.input = input
  }

  /** Sets what the meter reads. The dimensions stay as they are when the previous meter had the same ones. */
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

/** What a row says, whichever way it was filled. */
export type RowSpans = Omit<PlainRow, 'beginEvent' | 'putReading'>

/** The same row as an object, for callers that look at rows. */
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
    inputStream: row.input.stream,
    inputSequence: row.input.sequence,
    ...fieldsOfTerms(terms, timeNs, at),
  }
}
