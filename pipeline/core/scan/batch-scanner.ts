// Reads the rows of an Arrow record batch as events of a scan: column values are used in place, and `data` is
// walked like that of any other event. Columns that do not lie in the message (compressed, gathered from views, or `data`
// written from a struct) are put behind it.
// Invariants: the rows are those of parseMessage, in number and order; a plain row reads here as
// validateEvent and the hash functions read it. A row has no bytes of its own: its `from` and `until` are 0.

import { maxEventsOfMessage } from '../../../schemas/event/cloud-event.js'
import * as eventHash from '../../../schemas/event/event-hash.js'
import { jsonType } from '../../../schemas/event/media-types.js'
import { decodeUsageBatch } from '../../../schemas/usage-batch/usage-batch.js'
import {
  DictionaryTexts,
  NullTexts,
  TimestampTexts,
} from '../../../schemas/usage-batch/usage-batch-columns.js'
import type { UsageRows } from '../../../schemas/usage-batch/usage-batch-reader.js'
import { PlainTexts, type TextValues } from '../../../schemas/usage-batch/usage-batch-texts.js'
import * as wordHash from '../../../schemas/word-hash.js'
import { isOurs } from './envelope.js'
import type { JsonWalk } from './json-walk.js'
import { field } from './key-tree.js'
import type { NoData } from './no-data.js'
import { type Columns, textPlaces } from './scanned-events.js'
import { TimeReader } from './time.js'

// An imported binding is looked up at every use; a constant of this module is compiled in.
const { finishObject, hashInstant, hashKey } = eventHash
const { hashSpan, lanes, seeds } = wordHash
const { hashFirst, hashSecond, slot: slotField } = field

/** An attribute of more bytes might have too many characters. */
const maxAttributeBytes = 256
const openObject = 123

/** The columns that are read, in the order of `places`. The first four are names, which must not be empty. */
const places = { ...textPlaces, time: 7, data: 8 } as const
const names = Object.keys(places) as readonly (keyof typeof places)[]
const { type, subject, subscriptionid, time, data } = places
const lastName = subject

const noOffsets = new Int32Array(0)
/** Instead of a place in the bytes. */
const unusable = -1
/** Bytes for an RFC 3339 text to the nanosecond, and for what a look-ahead reads behind it. */
const stampBytes = 64

export class BatchScanner {
  readonly #walk: JsonWalk
  readonly #columns: Columns
  readonly #noData: NoData
  readonly #time = new TimeReader()
  /** By place; empty where the batch has no such column. */
  readonly #offsets: Int32Array[] = names.map(() => noOffsets)
  /** Where the column's bytes begin in the message. */
  readonly #bases = new Int32Array(names.length)
  /** Of a dictionary column: each row's index into its texts. */
  readonly #indices: (Uint32Array | undefined)[] = names.map(() => undefined)
  /** The columns that have nulls. */
  readonly #nullable: (PlainTexts | DictionaryTexts | undefined)[] = names.map(() => undefined)
  /** If `time` is a column of timestamps: that column, and the text of the current row. */
  #stamps: TimestampTexts | undefined
  readonly #stamp = new Uint8Array(stampBytes)
  readonly #stampView = new DataView(this.#stamp.buffer)
  /** Spans of the current row, by place: from and until; -1 for an absent attribute. */
  readonly #spans = new Int32Array(names.length * 2)
  /** Hash of each column name, two words by place. */
  readonly #keys = new Int32Array(names.length * 2)
  readonly #dataKey = new DataView(new ArrayBuffer(16))
  #version: TextValues | undefined
  #contentType: TextValues | undefined
  /** Of columns that several record batches share or that lie behind the message: where they begin, or `unusable`. */
  readonly #placed = new Map<PlainTexts, number>()
  #dataNode = 0
  #objects = 0

  constructor(walk: JsonWalk, columns: Columns, noData: NoData) {
    this.#walk = walk
    this.#columns = columns
    this.#noData = noData
    const key = new Uint8Array(this.#dataKey.buffer)
    for (let place = 0; place < names.length; place += 1) {
      // The last one is `data`, whose name is looked up again later.
      const { written } = new TextEncoder().encodeInto(names[place]!, key)
      hashKey(this.#dataKey, 0, written)
      this.#keys.set(lanes, place * 2)
    }
  }

  /** Returns false when parseMessage would refuse the message. */
  scan(message: Uint8Array): boolean {
    const decoded = decodeUsageBatch(message)
    if (decoded.kind === 'rejected' || decoded.batch.rows > maxEventsOfMessage) return false
    this.#walk.load(message)
    this.#walk.lineFeed = 10
    this.#dataNode = 0
    this.#placed.clear()
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

  /** Whether the columns hold texts that can be used in place. */
  #use({ columns }: UsageRows, message: Uint8Array): boolean {
    this.#version = present(columns.specversion)
    this.#contentType = present(columns.datacontenttype)
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
    this.#offsets[place] = noOffsets
    this.#indices[place] = isDictionary ? column.indices : undefined
    this.#nullable[place] = undefined
    if (column === undefined) return true
    if (!(texts instanceof PlainTexts)) return false
    const at = texts.bytes.byteOffset - message.byteOffset
    const isWithin =
      texts.bytes.buffer === message.buffer && at >= 0 && at + texts.bytes.length <= message.length
    const base =
      isWithin && !isDictionary ? (isUsable(texts) ? at : unusable) : this.#place(texts, isWithin, at)
    this.#offsets[place] = texts.offsets
    this.#bases[place] = base
    this.#nullable[place] = isDictionary ? column : texts.hasNulls ? texts : undefined
    return base !== unusable
  }

  /** The same, once for all record batches of the message. */
  #place(texts: PlainTexts, isWithin: boolean, at: number): number {
    let base = this.#placed.get(texts)
    if (base === undefined) {
      base = !isUsable(texts) ? unusable : isWithin ? at : this.#walk.append(texts.bytes)
      this.#placed.set(texts, base)
    }
    return base
  }

  /** Fills the row's columns. Returns whether the row is plain. */
  #row(row: number): boolean {
    if (this.#version !== undefined && this.#version.at(row) !== '1.0') return false
    if (this.#contentType !== undefined && !isJson(this.#contentType.at(row))) return false
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

  /** NaN when the row has no time; undefined when the row is not plain. */
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
        if (place <= lastName) return false
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

  /**
   * Walks `data`, if the row has any; its hash is then in `lanes`. The walk must end where the text ends, so it has read
   * nothing else.
   */
  #data(): boolean {
    const walk = this.#walk
    const { tree } = walk
    const node = this.#findData()
    const from = this.#spans[data * 2]!
    this.#columns.noValues(this.#columns.count)
    if (from === -1) {
      this.#noData.note()
      return true
    }
    walk.at = from
    if (node === 0 || walk.bytes[from] !== openObject) return false
    const { nodes } = tree
    if (!walk.object(node, nodes[node + hashFirst]!, nodes[node + hashSecond]!, 1)) return false
    if (walk.at !== this.#spans[data * 2 + 1]) return false
    if (nodes[node + slotField] !== -1) walk.note(nodes[node + slotField]!, from)
    return true
  }

  /** The node of `data`. It changes when the tree is emptied, which the tree's count of objects reveals. */
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

  /** Seeded with the hash of `data`; the content hash as event-hash.ts defines it is then in `lanes`. */
  #hashContent(first: number, second: number, timeMs: number): void {
    const { view } = this.#walk
    let a = first
    let b = second
    let count = 1
    for (let place: number = type; place < time; place += 1) {
      const from = this.#spans[place * 2]!
      const until = this.#spans[place * 2 + 1]!
      // An extension that Weir only carries means the same when it is empty as when it is absent.
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

/** A column of nulls counts as absent. */
function present(column: TextValues | undefined): TextValues | undefined {
  return column instanceof NullTexts ? undefined : column
}

/** Another media type may be JSON, too, but is left to the parser. */
function isJson(contentType: unknown): boolean {
  return contentType === undefined || contentType === jsonType
}

/**
 * Whether the texts are UTF-8 without U+0000, which no attribute may hold. In `data` the walk would find one.
 */
function isUsable({ bytes, offsets, length, coding }: PlainTexts): boolean {
  return coding !== 'checked' && !bytes.subarray(offsets[0], offsets[length]).includes(0)
}
