// What a scan leaves of one message: where things are, in columns, one entry per event. No object is made per event, and no
// text is copied but one that has escapes; whoever needs more of an event parses its own bytes, `[from, until)`, which are
// none where it is a row of a batch in Arrow.
// Invariant: an event that is `plain` reads here exactly as parseMessage and validateEvent would read it; whatever could
// be read otherwise is not plain and goes the general way.

/** What stands at a path of `data`. */
export const valueKinds = { missing: 0, text: 1, number: 2, true: 3, false: 4, other: 5 } as const

/** Spans are byte offsets into `bytes`, which holds the message and more than it, without the quotes of a text; an attribute that is absent has -1 and -1. */
export interface ScannedEvents {
  readonly bytes: Uint8Array
  readonly count: number
  /** 1: what follows holds for the event. 0: only `from` and `until` do. */
  readonly plain: Uint8Array
  readonly from: Int32Array
  readonly until: Int32Array
  readonly idFrom: Int32Array
  readonly idUntil: Int32Array
  readonly sourceFrom: Int32Array
  readonly sourceUntil: Int32Array
  readonly typeFrom: Int32Array
  readonly typeUntil: Int32Array
  readonly subjectFrom: Int32Array
  readonly subjectUntil: Int32Array
  readonly correlationFrom: Int32Array
  readonly correlationUntil: Int32Array
  readonly traceparentFrom: Int32Array
  readonly traceparentUntil: Int32Array
  readonly pinnedFrom: Int32Array
  readonly pinnedUntil: Int32Array
  /** Epoch milliseconds, floored; NaN when the event has no `time`. */
  readonly timeMs: Float64Array
  /** The nanoseconds beyond them. */
  readonly timeNanos: Int32Array
  /** Four words per event, as hashIdentity gives them. */
  readonly identity: Uint32Array
  /** Two words per event, as hashContent gives them. */
  readonly content: Uint32Array
  /** Slots per event: the values at the paths that were asked for, slot `event * slots + path`. */
  readonly slots: number
  readonly valueKind: Uint8Array
  readonly valueFrom: Int32Array
  readonly valueUntil: Int32Array
}

/** The text of a span; '' of what is not there. */
export function textOf(bytes: Uint8Array, from: number, until: number): string {
  return from < 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).toString('utf8')
}
