// The columns that a scan fills, kept from one scan to the next.
// Invariant: they grow by doubling and are given back when a giant message has grown them.

import * as eventHash from '../../../schemas/event/event-hash.js'
import * as wordHash from '../../../schemas/word-hash.js'
import { type ScannedEvents, valueKinds } from './scanned-events.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { hashIdentityBytes } = eventHash
const { lanes } = wordHash
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
//           ├──────┼──────┼──────┬──────────┬──────┬────
//   value…  │slot 0│slot 1│  …   │ last slot│slot 0│ …    as many as there are slots
//           └──────┴──────┴──────┴──────────┴──────┴────
export const identityWords = 4
export const contentWords = 2

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
const { id, source, type, subject, correlationid, traceparent, subscriptionid } = textPlaces

export class Columns implements ScannedEvents {
  readonly slots: number
  bytes: Uint8Array = new Uint8Array(0)
  count = 0
  plain!: Uint8Array
  from!: Int32Array
  until!: Int32Array
  idFrom!: Int32Array
  idUntil!: Int32Array
  sourceFrom!: Int32Array
  sourceUntil!: Int32Array
  typeFrom!: Int32Array
  typeUntil!: Int32Array
  subjectFrom!: Int32Array
  subjectUntil!: Int32Array
  correlationFrom!: Int32Array
  correlationUntil!: Int32Array
  traceparentFrom!: Int32Array
  traceparentUntil!: Int32Array
  pinnedFrom!: Int32Array
  pinnedUntil!: Int32Array
  timeMs!: Float64Array
  timeNanos!: Int32Array
  identity!: Uint32Array
  content!: Uint32Array
  valueKind!: Uint8Array
  valueFrom!: Int32Array
  valueUntil!: Int32Array
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
    this.typeFrom[event] = spans[type * 2]!
    this.typeUntil[event] = spans[type * 2 + 1]!
    this.subjectFrom[event] = spans[subject * 2]!
    this.subjectUntil[event] = spans[subject * 2 + 1]!
    this.correlationFrom[event] = spans[correlationid * 2]!
    this.correlationUntil[event] = spans[correlationid * 2 + 1]!
    this.traceparentFrom[event] = spans[traceparent * 2]!
    this.traceparentUntil[event] = spans[traceparent * 2 + 1]!
    this.pinnedFrom[event] = spans[subscriptionid * 2]!
    this.pinnedUntil[event] = spans[subscriptionid * 2 + 1]!
    const sourceFrom = spans[source * 2]!
    const sourceUntil = spans[source * 2 + 1]!
    const idFrom = spans[id * 2]!
    const idUntil = spans[id * 2 + 1]!
    this.sourceFrom[event] = sourceFrom
    this.sourceUntil[event] = sourceUntil
    this.idFrom[event] = idFrom
    this.idUntil[event] = idUntil
    hashIdentityBytes(view, sourceFrom, sourceUntil, idFrom, idUntil, this.identity, event * identityWords)
  }

  #resize(capacity: number): void {
    const { slots } = this
    const ints = (column: Int32Array | undefined, width = 1): Int32Array => {
      const larger = new Int32Array(capacity * width)
      if (column !== undefined && column.length < larger.length) larger.set(column)
      return larger
    }
    const words = (column: Uint32Array | undefined, width: number): Uint32Array => {
      const larger = new Uint32Array(capacity * width)
      if (column !== undefined && column.length < larger.length) larger.set(column)
      return larger
    }
    const bytes = (column: Uint8Array | undefined, width = 1): Uint8Array => {
      const larger = new Uint8Array(capacity * width)
      if (column !== undefined && column.length < larger.length) larger.set(column)
      return larger
    }
    const timeMs = new Float64Array(capacity)
    if (this.#capacity < capacity && this.#capacity > 0) timeMs.set(this.timeMs)
    this.timeMs = timeMs
    this.timeNanos = ints(this.timeNanos)
    this.plain = bytes(this.plain)
    this.from = ints(this.from)
    this.until = ints(this.until)
    this.idFrom = ints(this.idFrom)
    this.idUntil = ints(this.idUntil)
    this.sourceFrom = ints(this.sourceFrom)
    this.sourceUntil = ints(this.sourceUntil)
    this.typeFrom = ints(this.typeFrom)
    this.typeUntil = ints(this.typeUntil)
    this.subjectFrom = ints(this.subjectFrom)
    this.subjectUntil = ints(this.subjectUntil)
    this.correlationFrom = ints(this.correlationFrom)
    this.correlationUntil = ints(this.correlationUntil)
    this.traceparentFrom = ints(this.traceparentFrom)
    this.traceparentUntil = ints(this.traceparentUntil)
    this.pinnedFrom = ints(this.pinnedFrom)
    this.pinnedUntil = ints(this.pinnedUntil)
    this.identity = words(this.identity, identityWords)
    this.content = words(this.content, contentWords)
    this.valueKind = bytes(this.valueKind, slots)
    this.valueFrom = ints(this.valueFrom, slots)
    this.valueUntil = ints(this.valueUntil, slots)
    this.#capacity = capacity
  }
}
