// The rows of a batch in Arrow, as events of a scan: what the columns hold is used where it stands, and `data` is walked
// like that of any other event.
// Invariants: the rows are those of parseMessage, in number and order; a row that is plain reads here as validateEvent and
// the hashes read it. A row has no bytes of its own: `from` and `until` are 0.

import { maxEventsOfMessage } from '../../../schemas/event/cloud-event.js'
import * as eventHash from '../../../schemas/event/event-hash.js'
import { decodeUsageBatch, type UsageRows } from '../../../schemas/usage-batch/usage-batch.js'
import {
  DictionaryTexts,
  NullTexts,
  PlainTexts,
  type TextValues,
  TimestampTexts,
} from '../../../schemas/usage-batch/usage-batch-columns.js'
import * as wordHash from '../../../schemas/word-hash.js'
import { isOurs } from './envelope.js'
import type { JsonWalk } from './json-walk.js'
import { field } from './key-tree.js'
import { type Columns, textPlaces } from './scanned-events.js'
import { TimeReader } from './time.js'

// An imported binding is looked up at every use; a constant of the module is compiled in.
const { finishObject, hashInstant, hashKey } = eventHash
const { hashSpan, lanes, seeds } = wordHash
const { hashFirst, hashSecond, slot: slotField } = field

/** An attribute of more bytes might have too many characters. */
const maxAttributeBytes = 256
const openObject = 123

/** The columns that are read, by place. The first four are names, which are not empty. */
const places = { ...textPlaces, time: 7, data: 8 } as const
const names = Object.keys(places) as readonly (keyof typeof places)[]
const { type, subject, subscriptionid, time, data } = places
const lastName = subject

const noOffsets = new Int32Array(0)
/** An RFC 3339 text to the nanosecond, and what a look ahead reads. */
const stampBytes = 64

export class BatchScanner {
  readonly #walk: JsonWalk
  readonly #columns: Columns
  readonly #time = new TimeReader()
  /** By place; none where the batch has no such column. */
  readonly #offsets: Int32Array[] = names.map(() => noOffsets)
  /** Where the bytes of the column begin in the message. */
  readonly #bases = new Int32Array(names.length)
  /** Of a dictionary: by row, which of its texts is meant. */
  readonly #indices: (Uint32Array | undefined)[] = names.map(() => undefined)
  /** The columns that have nulls. */
  readonly #nullable: (PlainTexts | DictionaryTexts | undefined)[] = names.map(() => undefined)
  /** Where `time` is a column of timestamps: the column, and the text of the row under way. */
  #stamps: TimestampTexts | undefined
  readonly #stamp = new Uint8Array(stampBytes)
  readonly #stampView = new DataView(this.#stamp.buffer)
  /** Of the row under way, by place: from and until; -1 where it has no such attribute. */
  readonly #spans = new Int32Array(names.length * 2)
  /** Hash of each name, two words by place. */
  readonly #keys = new Int32Array(names.length * 2)
  readonly #dataKey = new DataView(new ArrayBuffer(16))
  #version: TextValues | undefined
  #dataNode = 0
  #objects = 0

  constructor(walk: JsonWalk, columns: Columns) {
    this.#walk = walk
    this.#columns = columns
    const key = new Uint8Array(this.#dataKey.buffer)
    for (let place = 0; place < names.length; place += 1) {
      // The last of them is `data`, whose name is looked up again later.
      const { written } = new TextEncoder().encodeInto(names[place]!, key)
      hashKey(this.#dataKey, 0, written)
      this.#keys.set(lanes, place * 2)
    }
  }

  /** False when the message is to be refused by parseMessage. */
  scan(message: Uint8Array): boolean {
    const decoded = decodeUsageBatch(message)
    if (decoded.kind === 'rejected' || decoded.batch.rows > maxEventsOfMessage) return false
    this.#walk.load(message)
    this.#walk.lineFeed = 10
    this.#dataNode = 0
    for (const part of decoded.batch.parts) this.#rows(part, message)
    return true
  }

  #rows(part: UsageRows, message: Uint8Array): void {
    const columns = this.#columns
    const isPlain = this.#use(part, message)
    for (let row = 0; row < part.length; row += 1) {
      columns.reserve()
      columns.add(isPlain && this.#row(row), 0, 0)
    }
  }

  /** Whether the columns are texts that may be used as they stand. */
  #use({ columns }: UsageRows, message: Uint8Array): boolean {
    this.#version = present(columns.specversion)
    this.#stamps = columns.time instanceof TimestampTexts ? columns.time : undefined
    for (let place = 0; place < names.length; place += 1) {
      const isStamps = place === time && this.#stamps !== undefined
      const column = isStamps ? undefined : present(columns[names[place]!])
      if (!this.#useColumn(place, column, message)) return false
    }
    return true
  }

  #useColumn(place: number, column: TextValues | undefined, message: Uint8Array): boolean {
    const isDictionary = column instanceof DictionaryTexts
    const texts = isDictionary ? column.texts : column
    if (column !== undefined && !isUsable(texts)) return false
    const isPlain = texts instanceof PlainTexts
    this.#offsets[place] = isPlain ? texts.offsets : noOffsets
    this.#bases[place] = isPlain ? texts.bytes.byteOffset - message.byteOffset : 0
    this.#indices[place] = isDictionary ? column.indices : undefined
    this.#nullable[place] = isDictionary ? column : isPlain && texts.hasNulls ? texts : undefined
    return true
  }

  /** Fills the row's columns; whether it is plain. */
  #row(row: number): boolean {
    if (this.#version !== undefined && this.#version.at(row) !== '1.0') return false
    if (!this.#findTexts(row) || isOurs(this.#walk, this.#spans[type * 2]!, this.#spans[type * 2 + 1]!)) {
      return false
    }
    const timeMs = this.#timeMs(row)
    if (timeMs === undefined) return false
    if (!this.#data()) return false
    this.#hashContent(lanes[0]!, lanes[1]!, timeMs)
    this.#columns.fill(this.#columns.count, this.#spans, this.#walk.view, timeMs, this.#time.nanos)
    return true
  }

  /** NaN when the row has no time, undefined when it is not plain. */
  #timeMs(row: number): number | undefined {
    const from = this.#spans[time * 2]!
    const { bytes, view } = this.#walk
    let timeMs = Number.NaN
    if (this.#stamps !== undefined) {
      const text = this.#stamps.at(row)
      if (text === undefined) return timeMs
      if (typeof text !== 'string') return undefined
      for (let i = 0; i < text.length; i += 1) this.#stamp[i] = text.charCodeAt(i)
      timeMs = this.#time.read(this.#stamp, this.#stampView, 0, text.length)
    } else if (from === -1) return timeMs
    else timeMs = this.#time.read(bytes, view, from, this.#spans[time * 2 + 1]!)
    return Number.isNaN(timeMs) ? undefined : timeMs
  }

  #findTexts(row: number): boolean {
    const spans = this.#spans
    const bases = this.#bases
    for (let place = 0; place < names.length; place += 1) {
      const offsets = this.#offsets[place]!
      if (offsets.length === 0 || this.#nullable[place]?.isNull(row) === true) {
        if (place <= lastName || place === data) return false
        spans[place * 2] = -1
        spans[place * 2 + 1] = -1
        continue
      }
      const at = this.#indices[place]?.[row] ?? row
      const from = bases[place]! + offsets[at]!
      const until = bases[place]! + offsets[at + 1]!
      if (until - from > maxAttributeBytes && place !== data) return false
      if (from === until && (place <= lastName || place === subscriptionid)) return false
      spans[place * 2] = from
      spans[place * 2 + 1] = until
    }
    return true
  }

  /** Walks `data`, whose hash is then in `lanes`. It ends where the text does, so nothing else was read. */
  #data(): boolean {
    const walk = this.#walk
    const { tree } = walk
    const node = this.#findData()
    const from = this.#spans[data * 2]!
    walk.at = from
    this.#columns.noValues(this.#columns.count)
    if (node === 0 || walk.bytes[from] !== openObject) return false
    const { nodes } = tree
    if (!walk.object(node, nodes[node + hashFirst]!, nodes[node + hashSecond]!, 1)) return false
    if (walk.at !== this.#spans[data * 2 + 1]) return false
    if (nodes[node + slotField] !== -1) walk.note(nodes[node + slotField]!, from)
    return true
  }

  /** The node of `data`, which is another after the tree was emptied; its count of objects tells. */
  #findData(): number {
    const { tree } = this.#walk
    tree.makeRoom()
    const objects = tree.newObject()
    if (objects <= this.#objects || this.#dataNode === 0) {
      const first = this.#keys[data * 2]!
      const second = this.#keys[data * 2 + 1]!
      this.#dataNode = tree.find(0, first, second, this.#dataKey, 0, names[data]!.length)
    }
    this.#objects = objects
    return this.#dataNode
  }

  /** Begins with the hash of `data`; what event-hash.ts calls the content is then in `lanes`. */
  #hashContent(first: number, second: number, timeMs: number): void {
    const { view } = this.#walk
    let a = first
    let b = second
    let count = 1
    for (let place: number = type; place < time; place += 1) {
      const from = this.#spans[place * 2]!
      const until = this.#spans[place * 2 + 1]!
      // An extension that is only carried is the same absent and empty.
      if (from === until) continue
      hashSpan(view, from, until, this.#keys[place * 2]! ^ seeds.text, this.#keys[place * 2 + 1]!)
      a = (a + lanes[0]!) | 0
      b = (b + lanes[1]!) | 0
      count += 1
    }
    if (!Number.isNaN(timeMs)) {
      hashInstant(timeMs, this.#time.nanos, this.#keys[time * 2]!, this.#keys[time * 2 + 1]!)
      a = (a + lanes[0]!) | 0
      b = (b + lanes[1]!) | 0
      count += 1
    }
    finishObject(0, 0, a, b, count)
  }
}

/** A column of nulls is as good as none. */
function present(column: TextValues | undefined): TextValues | undefined {
  return column instanceof NullTexts ? undefined : column
}

/** Texts of UTF-8 without U+0000, which no attribute may hold. In `data` the walk would find one. */
function isUsable(column: TextValues | undefined): boolean {
  if (!(column instanceof PlainTexts) || column.coding === 'checked') return false
  const { bytes, offsets, length } = column
  return !bytes.subarray(offsets[0], offsets[length]).includes(0)
}
