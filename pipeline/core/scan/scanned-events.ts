// What a scan leaves of one message: where things are, in columns, one entry per event. No object is made per event, and no
// text is copied but one that has escapes; whoever needs more of an event parses its own bytes, `[from, until)`, which are
// none where it is a row of a batch in Arrow. The columns are kept from one scan to the next.
// Invariants: an event that is `plain` reads here exactly as parseMessage and validateEvent would read it; whatever could
// be read otherwise is not plain, and is parsed. The columns grow by doubling and are given back when a giant message has
// grown them.

import * as eventHash from '../../../schemas/event/event-hash.js'
import * as wordHash from '../../../schemas/word-hash.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { hashIdentityBytes } = eventHash
const { lanes } = wordHash

/** What stands at a path of `data`. */
export const valueKinds = { missing: 0, text: 1, number: 2, true: 3, false: 4, other: 5 } as const

/** The texts of an event, in the order in which `fill` takes their spans: from, until. */
export const textPlaces = {
  id: 0,
  source: 1,
  type: 2,
  subject: 3,
  correlationid: 4,
  traceparent: 5,
  subscriptionid: 6,
} as const
/** From and until of each. */
export const textWords = 14

const { id, source, subject } = textPlaces
const { missing } = valueKinds

const firstCapacity = 1024
/** Of events; columns for more are not kept. */
const keptCapacity = 1 << 16

// Columns have one value per event, but for these, where those of an event lie side by side; `value…` has one per slot of
// the scan's layout:
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

/** Spans are byte offsets into `bytes`, without the quotes of a text; an attribute that is absent has -1 and -1. */
export class Columns {
  /** The message and more than it. */
  bytes: Uint8Array = new Uint8Array(0)
  count = 0
  /** 1: what follows holds for the event. 0: only `from` and `until` do. */
  plain = new Uint8Array(0)
  from = new Int32Array(0)
  until = new Int32Array(0)
  /** The texts of the event, `textWords` each: from and until by `textPlaces`. */
  texts = new Int32Array(0)
  /** Of the subject once more, since customers are looked up many at once. */
  subjectFrom = new Int32Array(0)
  subjectUntil = new Int32Array(0)
  /** Epoch milliseconds, floored; NaN when the event has no `time`. */
  timeMs = new Float64Array(0)
  /** The nanoseconds beyond them. */
  timeNanos = new Int32Array(0)
  /** Four words per event, as hashIdentity gives them. */
  identity = new Uint32Array(0)
  /** Two words per event, as hashContent gives them. */
  content = new Uint32Array(0)
  /** Slots per event: the values at the paths that were asked for, slot `event * slots + path`. */
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

  /** Room for one more event, whose index is `count`; it counts when `add` says so. */
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

  /** As if `data` of the event held nothing. */
  noValues(event: number): void {
    const { slots, valueKind, valueFrom, valueUntil } = this
    const until = (event + 1) * slots
    for (let place = event * slots; place < until; place += 1) {
      valueKind[place] = missing
      valueFrom[place] = -1
      valueUntil[place] = -1
    }
  }

  /** Writes all of an event but its values; its content's hash is in `lanes`. `view`: of `bytes`. */
  fill(event: number, spans: Int32Array, view: DataView, timeMs: number, timeNanos: number): void {
    this.content[event * contentWords] = lanes[0]!
    this.content[event * contentWords + 1] = lanes[1]!
    this.timeMs[event] = timeMs
    this.timeNanos[event] = Number.isNaN(timeMs) ? 0 : timeNanos
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

/** A longer column begins with what was in it; a shorter one is empty. */
function resized<T extends Column>(column: T, length: number): T {
  const made = new (column.constructor as new (length: number) => T)(length)
  if (length > column.length) made.set(column)
  return made
}

/** What a reader sees of the columns. */
export type ScannedEvents = Readonly<Omit<Columns, 'begin' | 'reserve' | 'add' | 'noValues' | 'fill'>>

/** The text of a span; '' of what is not there. */
export function textOf(bytes: Uint8Array, from: number, until: number): string {
  return from < 0 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from).toString('utf8')
}

/** One of the texts of an event. */
export function textAt({ bytes, texts }: ScannedEvents, event: number, place: number): string {
  const at = event * textWords + place * 2
  return textOf(bytes, texts[at]!, texts[at + 1]!)
}
