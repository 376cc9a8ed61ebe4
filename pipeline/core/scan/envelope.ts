// One event from its bytes: the attributes that validateEvent of schemas/event/cloud-event.ts asks for, the hashes, the values.
// Invariant: true means that validateEvent takes the event and reads it as the columns say; false says nothing.

import * as eventHash from '../../../schemas/event/event-hash.js'
import * as wordHash from '../../../schemas/word-hash.js'
import type { Columns } from './columns.js'
import * as columnLayout from './columns.js'
import type { JsonWalk } from './json-walk.js'
import * as keyTree from './key-tree.js'
import { valueKinds } from './scanned-events.js'
import { TimeReader } from './time.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { finishObject, hashIdentityBytes, hashInstant } = eventHash
const { lanes, seeds } = wordHash
const { contentWords, identityWords } = columnLayout
const { field, roles } = keyTree
const { missing } = valueKinds

/** An attribute of more bytes might have too many characters. */
const maxAttributeBytes = 256

const quote = 34
const comma = 44
const openObject = 123

/** `1.0"` and `weir` as words. */
const versionOne = 0x22302e31
const wordWeir = 0x72696577
const jsonContentType = Buffer.from('application/json"')

/** One bit per role. */
const required =
  (1 << roles.specversion) |
  (1 << roles.id) |
  (1 << roles.source) |
  (1 << roles.type) |
  (1 << roles.subject) |
  (1 << roles.data)

/** What the content holds beside `data`: texts, and the instant of `time`. */
const hashed =
  (1 << roles.type) |
  (1 << roles.subject) |
  (1 << roles.correlationid) |
  (1 << roles.traceparent) |
  (1 << roles.time)
/** Texts that may be empty, which is then the same as absent. */
const carried = (1 << roles.correlationid) | (1 << roles.traceparent)

export class Envelope {
  readonly #walk: JsonWalk
  readonly #columns: Columns
  readonly #time = new TimeReader()
  /** Where the texts of the event under way stand, by role: from, until. */
  readonly #spans = new Int32Array((roles.time + 1) * 2)
  #timeMs = Number.NaN

  constructor(walk: JsonWalk, columns: Columns) {
    this.#walk = walk
    this.#columns = columns
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
    finishObject(0, 0, a, b, count)
    this.#fill()
    return true
  }

  #begin(): void {
    const { slots, valueKind, valueFrom, valueUntil, count } = this.#columns
    // The others are there whenever the row is filled.
    this.#spans[roles.correlationid * 2] = -1
    this.#spans[roles.correlationid * 2 + 1] = -1
    this.#spans[roles.traceparent * 2] = -1
    this.#spans[roles.traceparent * 2 + 1] = -1
    this.#timeMs = Number.NaN
    const until = (count + 1) * slots
    for (let place = count * slots; place < until; place += 1) {
      valueKind[place] = missing
      valueFrom[place] = -1
      valueUntil[place] = -1
    }
  }

  /** Passes the value of a member; its hash is in `lanes` if it has a part in the content. */
  #member(node: number, role: number): boolean {
    const walk = this.#walk
    const { nodes } = walk.tree
    const first = nodes[node + field.hashFirst]!
    const second = nodes[node + field.hashSecond]!
    if (role === roles.data) {
      const from = walk.at
      if (walk.bytes[from] !== openObject || !walk.object(node, first, second, 1)) return false
      if (nodes[node + field.slot] !== -1) walk.note(nodes[node + field.slot]!, from)
      return true
    }
    if (role === roles.other) return walk.value(node, first, second, 0)
    if (walk.bytes[walk.at] !== quote) return false
    walk.at += 1
    if (role === roles.specversion) return this.#isVersionOne()
    if (role === roles.datacontenttype) return this.#isJsonContentType()
    return role !== roles.unusual && this.#attribute(role, first, second)
  }

  #attribute(role: number, first: number, second: number): boolean {
    const walk = this.#walk
    const from = walk.at
    const isHashed = ((hashed >>> role) & 1) === 1
    if (!(isHashed && role !== roles.time ? walk.text(first ^ seeds.text, second) : walk.skipText()))
      return false
    const until = walk.at - 1
    const length = until - from
    if (length > maxAttributeBytes || (length === 0 && ((carried >>> role) & 1) === 0)) return false
    this.#spans[role * 2] = from
    this.#spans[role * 2 + 1] = until
    if (role === roles.type) return !isOurs(walk, from, length)
    if (role !== roles.time) return true
    this.#timeMs = this.#time.read(walk.bytes, walk.view, from, until)
    hashInstant(this.#timeMs, this.#time.nanos, first, second)
    return !Number.isNaN(this.#timeMs)
  }

  /** An extension that is only carried and is empty. */
  #isLeftOut(role: number): boolean {
    return ((carried >>> role) & 1) === 1 && this.#spans[role * 2] === this.#spans[role * 2 + 1]
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

  /** Writes the row; the content's hash is in `lanes`. */
  #fill(): void {
    const columns = this.#columns
    const spans = this.#spans
    const event = columns.count
    columns.content[event * contentWords] = lanes[0]!
    columns.content[event * contentWords + 1] = lanes[1]!
    columns.timeMs[event] = this.#timeMs
    columns.timeNanos[event] = Number.isNaN(this.#timeMs) ? 0 : this.#time.nanos
    columns.typeFrom[event] = spans[roles.type * 2]!
    columns.typeUntil[event] = spans[roles.type * 2 + 1]!
    columns.subjectFrom[event] = spans[roles.subject * 2]!
    columns.subjectUntil[event] = spans[roles.subject * 2 + 1]!
    columns.correlationFrom[event] = spans[roles.correlationid * 2]!
    columns.correlationUntil[event] = spans[roles.correlationid * 2 + 1]!
    columns.traceparentFrom[event] = spans[roles.traceparent * 2]!
    columns.traceparentUntil[event] = spans[roles.traceparent * 2 + 1]!
    const sourceFrom = spans[roles.source * 2]!
    const sourceUntil = spans[roles.source * 2 + 1]!
    const idFrom = spans[roles.id * 2]!
    const idUntil = spans[roles.id * 2 + 1]!
    columns.sourceFrom[event] = sourceFrom
    columns.sourceUntil[event] = sourceUntil
    columns.idFrom[event] = idFrom
    columns.idUntil[event] = idUntil
    const { view } = this.#walk
    hashIdentityBytes(view, sourceFrom, sourceUntil, idFrom, idUntil, columns.identity, event * identityWords)
  }
}

/** Whether a type begins with `weir.`. */
function isOurs(walk: JsonWalk, from: number, length: number): boolean {
  return length >= 5 && walk.view.getInt32(from, true) === wordWeir && walk.bytes[from + 4] === 46
}
