// The result of scanning one message: columns, one entry per event, that say where each value stands in the
// bytes. No object is made per event, and only texts with escapes are copied. A caller that needs more parses
// the event's own bytes, `[from, until)`; the row of an Arrow batch has none. The columns are reused by the
// next scan.
// Invariants: a `plain` event reads here exactly as parseMessage and validateEvent would read it; an event
// that could be read otherwise is not plain and is parsed. Columns grow by doubling; they are released after
// a giant message has grown them.

import * as eventHash from '../../../schemas/event/event-hash.js'
import * as wordHash from '../../../schemas/word-hash.js'

// An imported binding is looked up at every use; a constant of this module is compiled in.
const { hashIdentityBytes } = eventHash
const { lanes } = wordHash

/** The kind of JSON value at a path of `data`. */
export const valueKinds = { missing: 0, text: 1, number: 2, true: 3, false: 4, other: 5 } as const

/** The texts of an event, in the order in which `fill` takes their spans (from, until). */
export const textPlaces = {
  id: 0,
  source: 1,
  type: 2,
  subject: 3,
  correlationid: 4,
  traceparent: 5,
  subscriptionid: 6,
} as const
/** Words per event: from and until of each text. */
export const textWords = 14

const { id, source, subject } = textPlaces
const { missing } = valueKinds

const firstCapacity = 1024
/** The largest number of events whose columns are kept for the next scan. */
const keptCapacity = 1 << 16

// A column has one value per event, except the columns below, where an event has several values side by side.
// A `value…` column has one value per slot of the scan's layout:
//
//            event 0                        event 1
//           ┌──────┬──────┬──────┬──────┬──────┬──────┬─
//   identity│ id 0 │ id 1 │ id 2 │ id 3 │ id 0 │ id 1 │ …   4 words of 32 bits
//           ├──────┼──────┼──────┴──────┴──────┴──────┴─
//   content │ c 0  │ c 1  │ …                              2 words of 32 bits
//           ├──────┴──────┴──┬─────────────────┬─
//   texts   │id: from, until │source: from, … │ …      14 words of 32 bits, by `textPlaces`
//           ├──────┬──────┬──┴───┬──────────┬──┴───┬────
//   value…  │slot 0│slot 1│  …   │ last slot│slot 0│ …    as many as there are slots
//           └──────┴──────┴──────┴──────────┴──────┴────
export const identityWords = 4
export const contentWords = 2

/** Spans are byte offsets into `bytes`, without a text's quotes; an absent attribute has -1 and -1. */
export class Columns {
  /** Holds the message, and other bytes behind it. */
  bytes: Uint8Array = new Uint8Array(0)
  count = 0
  /** 1: all columns hold for the event. 0: only `from` and `until` do. */
  plain = new Uint8Array(0)
  from = new Int32Array(0)
  until = new Int32Array(0)
  /** The texts of the event: `textWords` words each, from and until in the order of `textPlaces`. */
  texts = new Int32Array(0)
  /** The subject's span once more, because customers are looked up many at a time. */
  subjectFrom = new Int32Array(0)
  subjectUntil = new Int32Array(0)
  /** Epoch milliseconds, floored; NaN when the event has no `time`. */
  timeMs = new Float64Array(0)
  /** The nanoseconds beyond that millisecond. */
  timeNanos = new Int32Array(0)
  /** 1: the sender's library stamped `time`. Set after `fill`, which clears it. */
  stamped = new Uint8Array(0)
  /** Four words per event, as hashIdentity gives them. */
  identity = new Uint32Array(0)
  /** Two words per event, as hashContent gives them. */
  content = new Uint32Array(0)
  /** Slots per event. The value at a requested path is in slot `event * slots + path`. */
  readonly slots: number
  valueKind = new Uint8Array(0)
  valueFrom = new Int32Array(0)
  valueUntil = new Int32Array(0)
  #capacity = 0

  constructor(slots: number) {
    this.slots = slots
    this.#resize(firstCapacity)
  }

  begin(bytes: Uint8Array): void {
    this.bytes = bytes
    this.count = 0
    if (this.#capacity > keptCapacity) this.#resize(firstCapacity)
  }

  /** Ensures capacity for one more event, at index `count`. `add` then counts it. */
  reserve(): void {
    if (this.count === this.#capacity) this.#resize(this.#capacity * 2)
  }

  add(isPlain: boolean, from: number, until: number): void {
    const event = this.count
    this.plain[event] = isPlain ? 1 : 0
    this.from[event] = from
    this.until[event] = until
    this.count = event + 1
  }

  /** Marks every slot of the event as absent, as if its `data` were empty. */
  noValues(event: number): void {
    const { slots, valueKind, valueFrom, valueUntil } = this
    const until = (event + 1) * slots
    for (let place = event * slots; place < until; place += 1) {
      valueKind[place] = missing
      valueFrom[place] = -1
      valueUntil[place] = -1
    }
  }

  /**
   * Writes everything of an event except its values. `lanes` holds its content hash; `view` is a view of
   * `bytes`.
   */
  fill(event: number, spans: Int32Array, view: DataView, timeMs: number, timeNanos: number): void {
    this.content[event * contentWords] = lanes[0]!
    this.content[event * contentWords + 1] = lanes[1]!
    this.timeMs[event] = timeMs
    this.timeNanos[event] = Number.isNaN(timeMs) ? 0 : timeNanos
    this.stamped[event] = 0
    const { texts } = this
    const at = event * textWords
    for (let i = 0; i < textWords; i += 1) texts[at + i] = spans[i]!
    const sourceFrom = spans[source * 2]!
    const sourceUntil = spans[source * 2 + 1]!
    const idFrom = spans[id * 2]!
    const idUntil = spans[id * 2 + 1]!
    this.subjectFrom[event] = spans[subject * 2]!
    this.subjectUntil[event] = spans[subject * 2 + 1]!
    hashIdentityBytes(view, sourceFrom, sourceUntil, idFrom, idUntil, this.identity, event * identityWords)
  }

  #resize(capacity: number): void {
    const { slots } = this
    this.timeMs = resized(this.timeMs, capacity)
    this.timeNanos = resized(this.timeNanos, capacity)
    this.plain = resized(this.plain, capacity)
    this.stamped = resized(this.stamped, capacity)
    this.from = resized(this.from, capacity)
    this.until = resized(this.until, capacity)
    this.texts = resized(this.texts, capacity * textWords)
    this.subjectFrom = resized(this.subjectFrom, capacity)
    this.subjectUntil = resized(this.subjectUntil, capacity)
    this.identity = resized(this.identity, capacity * identityWords)
    this.content = resized(this.content, capacity * contentWords)
    this.valueKind = resized(this.valueKind, capacity * slots)
    this.valueFrom = resized(this.valueFrom, capacity * slots)
    this.valueUntil = resized(this.valueUntil, capacity * slots)
    this.#capacity = capacity
  }
}

type Column = Uint8Array | Int32Array | Uint32Array | Float64Array

/** A longer column keeps its old values; a shorter one is empty. */
function resized<T extends Column>(column: T, length: number): T {
  const made = new (column.constructor as new (length: number) => T)(length)
  if (length > column.length) made.set(column)
  return made
}

/** The columns as a reader sees them. */
export type ScannedEvents = Readonly<Omit<Columns, 'begin' | 'reserve' | 'add' | 'noValues' | 'fill'>>

/** The text of a span; '' for an absent one. */
export function textOf(bytes: Uint8Array, from: number, until: number): string {
  return from < 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).toString('utf8')
}

/** One of the texts of an event. */
export function textAt({ bytes, texts }: ScannedEvents, event: number, place: number): string {
  const at = event * textWords + place * 2
  return textOf(bytes, texts[at]!, texts[at + 1]!)
}
