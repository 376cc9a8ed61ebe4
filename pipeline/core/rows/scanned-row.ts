// What the columns of `rated_usage` take from an event that was scanned: spans of its message instead of texts.

/**
 * A row of an event that was scanned. Spans are offsets into `bytes`, which holds valid UTF-8 there and no escapes; -1 is
 * a text that is not there. One object serves all rows: nothing of it is kept.
 */
export interface ScannedRow {
  bytes: Uint8Array
  /** Whether the row before this one was of the same event; then only what follows `value` is looked at, and `dimensions`. */
  sameEvent: boolean
  sourceFrom: number
  sourceUntil: number
  idFrom: number
  idUntil: number
  correlationFrom: number
  correlationUntil: number
  traceparentFrom: number
  traceparentUntil: number
  timeMs: number
  /** The nanoseconds beyond it. */
  timeNanos: number
  ingestedAtMs: number
  /** The reading's text: this, or if it is undefined, the span. */
  value: string | undefined
  valueFrom: number
  valueUntil: number
  /** Undefined: as the words beside it say. */
  quantity: bigint | undefined
  quantityWords: Uint32Array
  amount: bigint | undefined
  amountWords: Uint32Array
  /** As `keep` returned it. */
  terms: number
  /** Names of the meter's dimensions in their order, and where their values are; those that the event lacks have -1. */
  dimensions: readonly string[]
  dimensionFrom: ArrayLike<number>
  dimensionUntil: ArrayLike<number>
}
