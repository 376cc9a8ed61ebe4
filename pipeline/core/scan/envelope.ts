// One event from its bytes: the attributes that validateEvent of schemas/event/cloud-event.ts asks for, the hashes, the values.
// Invariant: true means that validateEvent takes the event and reads it as the columns say; false says nothing.

import * as eventHash from '../../../schemas/event/event-hash.js'
import * as wordHash from '../../../schemas/word-hash.js'
import type { JsonWalk } from './json-walk.js'
import * as keyTree from './key-tree.js'
import type { NoData } from './no-data.js'
import type { Columns } from './scanned-events.js'
import { TimeReader } from './time.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { finishObject, hashInstant, hashTime } = eventHash
const { lanes, seeds } = wordHash
const { field, roles } = keyTree

/** An attribute of more bytes might have too many characters. */
const maxAttributeBytes = 256

const quote = 34
const comma = 44
const letterN = 110
const openObject = 123

/** `1.0"`, `weir`, `null` and `true` as words. */
const versionOne = 0x22302e31
const wordWeir = 0x72696577
const wordNull = 0x6c6c756e
const wordTrue = 0x65757274
const jsonContentType = Buffer.from('application/json"')

/** One bit per role. */
const required =
  (1 << roles.specversion) | (1 << roles.id) | (1 << roles.source) | (1 << roles.type) | (1 << roles.subject)
const dataBit = 1 << roles.data
const timeBit = 1 << roles.time
const stampedBit = 1 << roles.stampedtime

/** What the content holds beside `data`: texts, and the instant of `time`. */
const hashed =
  (1 << roles.type) |
  (1 << roles.subject) |
  (1 << roles.correlationid) |
  (1 << roles.traceparent) |
  (1 << roles.subscriptionid) |
  (1 << roles.time)
/** The role of the first of `textPlaces`; the others follow. */
const firstText = roles.id
const optionalSpans = (roles.correlationid - firstText) * 2
/** Texts that may be empty, which is then the same as absent. */
const carried = (1 << roles.correlationid) | (1 << roles.traceparent)

export class Envelope {
  readonly #walk: JsonWalk
  readonly #columns: Columns
  readonly #noData: NoData
  readonly #time = new TimeReader()
  /** Where the texts of the event under way stand, in the order of `textPlaces`: from, until. */
  readonly #spans = new Int32Array((roles.time - firstText) * 2)
  #timeMs = Number.NaN

  constructor(walk: JsonWalk, columns: Columns, noData: NoData) {
    this.#walk = walk
    this.#columns = columns
    this.#noData = noData
  }

  /** Passes the event that begins at `at` and fills its row, which the caller has reserved. */
  read(): boolean {
    const walk = this.#walk
    const { tree, bytes } = walk
    tree.makeRoom()
    const { nodes } = tree
    const object = tree.newObject()
    this.#begin()
    let seen = 0
    let a = 0
    let b = 0
    let count = 0
    let node = walk.member(0, field.firstChild, object, openObject)
    while (node > 0) {
      if (bytes[walk.at]! <= 32) walk.space()
      const role = nodes[node + field.role]!
      seen |= 1 << role
      if (!this.#member(node, role)) return false
      if (role === roles.data || (((hashed >>> role) & 1) === 1 && !this.#isLeftOut(role))) {
        a = (a + lanes[0]!) | 0
        b = (b + lanes[1]!) | 0
        count += 1
      }
      node = walk.member(0, node + field.next, object, comma)
    }
    if (node === 0 || (seen & required) !== required) return false
    if ((seen & dataBit) === 0) {
      this.#noData.note()
      a = (a + lanes[0]!) | 0
      b = (b + lanes[1]!) | 0
      count += 1
    }
    if ((seen & (stampedBit | timeBit)) === (stampedBit | timeBit)) {
      hashTime(this.#timeMs, this.#time.nanos)
      a = (a - lanes[0]!) | 0
      b = (b - lanes[1]!) | 0
      count -= 1
    }
    finishObject(0, 0, a, b, count)
    const columns = this.#columns
    columns.fill(columns.count, this.#spans, walk.view, this.#timeMs, this.#time.nanos)
    if ((seen & stampedBit) !== 0) columns.stamped[columns.count] = 1
    return true
  }

  #begin(): void {
    // The remaining texts are present whenever the row is filled.
    const spans = this.#spans
    for (let i = optionalSpans; i < spans.length; i += 1) spans[i] = -1
    this.#timeMs = Number.NaN
    this.#columns.noValues(this.#columns.count)
  }

  /** Passes the value of a member; its hash is in `lanes` if it has a part in the content. */
  #member(node: number, role: number): boolean {
    const walk = this.#walk
    const { nodes } = walk.tree
    const first = nodes[node + field.hashFirst]!
    const second = nodes[node + field.hashSecond]!
    if (role === roles.data) {
      const from = walk.at
      if (walk.bytes[from] === letterN) return this.#nullData()
      if (walk.bytes[from] !== openObject || !walk.object(node, first, second, 1)) return false
      if (nodes[node + field.slot] !== -1) walk.note(nodes[node + field.slot]!, from)
      return true
    }
    if (role === roles.other) return walk.value(node, first, second, 0)
    if (walk.bytes[walk.at] !== quote) return role === roles.stampedtime && this.#isTrue()
    walk.at += 1
    if (role === roles.specversion) return this.#isVersionOne()
    if (role === roles.datacontenttype) return this.#isJsonContentType()
    return role < roles.unusual && this.#attribute(role, first, second)
  }

  #attribute(role: number, first: number, second: number): boolean {
    const walk = this.#walk
    const isHashed = ((hashed >>> role) & 1) === 1
    if (!(isHashed && role !== roles.time ? walk.text(first ^ seeds.text, second) : walk.skipText()))
      return false
    const from = walk.textFrom
    const until = walk.textUntil
    const length = until - from
    if (length > maxAttributeBytes || (length === 0 && ((carried >>> role) & 1) === 0)) return false
    // Only an escape can have brought U+0000, which no attribute may hold.
    if (from > walk.end && walk.bytes.subarray(from, until).includes(0)) return false
    if (role !== roles.time) {
      this.#spans[(role - firstText) * 2] = from
      this.#spans[(role - firstText) * 2 + 1] = until
      return role !== roles.type || !isOurs(walk, from, until)
    }
    this.#timeMs = this.#time.read(walk.bytes, walk.view, from, until)
    hashInstant(this.#timeMs, this.#time.nanos, first, second)
    return !Number.isNaN(this.#timeMs)
  }

  #isTrue(): boolean {
    const walk = this.#walk
    if (walk.view.getInt32(walk.at, true) !== wordTrue) return false
    walk.at += 4
    return true
  }

  /** `null` means the same as no data. */
  #nullData(): boolean {
    const walk = this.#walk
    if (walk.view.getInt32(walk.at, true) !== wordNull) return false
    walk.at += 4
    this.#noData.note()
    return true
  }

  /** An extension that is only carried and is empty. */
  #isLeftOut(role: number): boolean {
    return ((carried >>> role) & 1) === 1 && this.#walk.textFrom === this.#walk.textUntil
  }

  #isVersionOne(): boolean {
    const walk = this.#walk
    if (walk.view.getInt32(walk.at, true) !== versionOne) return false
    walk.at += 4
    return true
  }

  #isJsonContentType(): boolean {
    const walk = this.#walk
    for (let i = 0; i < jsonContentType.length; i += 1) {
      if (walk.bytes[walk.at + i] !== jsonContentType[i]) return false
    }
    walk.at += jsonContentType.length
    return true
  }
}

/** Whether a type begins with `weir.`. */
export function isOurs(walk: JsonWalk, from: number, until: number): boolean {
  return until - from >= 5 && walk.view.getInt32(from, true) === wordWeir && walk.bytes[from + 4] === 46
}
