// Arrow columns that grow by one value at a time, for the table that gets a row with every event.
// Invariants: values become UTF-8 bytes and words at once, so that nothing is kept of a row but its bytes; what `data`
// returns is a view, good until the next `append` or `clear`; `clear` keeps the memory for the next batch.
// The trick: a text equal to the one before it is copied from there, and what is short is written by a loop, which is
// cheaper than a call out of JavaScript.

import {
  type Data,
  type Decimal,
  type Int8,
  type Int64,
  type Map_,
  makeData,
  type Uint32,
} from 'apache-arrow'
import { arrowTypes, mapEntries, utf8 } from './arrow-schema.js'
import type { ColumnKind } from './tables.js'

const encoder = new TextEncoder()
const firstCapacity = 64
const twoTo32 = 2 ** 32
/** From this many bytes on, copying by a call wins over a loop. */
const longText = 48

export class TextColumn {
  #bytes = new Uint8Array(firstCapacity * 8)
  #offsets = new Int32Array(firstCapacity + 1)
  #length = 0
  #end = 0
  #last = ''

  get length(): number {
    return this.#length
  }

  /** Bytes of text. */
  get size(): number {
    return this.#end
  }

  append(text: string): void {
    const from = this.#end
    if (text === this.#last) this.#repeat(this.#offsets[this.#length === 0 ? 0 : this.#length - 1]!, from)
    else {
      this.#write(text, from)
      this.#last = text
    }
    if (++this.#length === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#length] = this.#end
  }

  /** Appends the last `count` texts once more. */
  repeatLast(count: number): void {
    const first = this.#length - count
    const shift = this.#end - this.#offsets[first]!
    this.#repeat(this.#offsets[first]!, this.#end)
    for (let i = 1; i <= count; i += 1) {
      if (++this.#length === this.#offsets.length) this.#offsets = doubled(this.#offsets)
      this.#offsets[this.#length] = this.#offsets[first + i]! + shift
    }
  }

  data(length: number): Data {
    return makeData({
      type: utf8,
      length,
      nullCount: 0,
      valueOffsets: this.#offsets.subarray(0, length + 1),
      data: this.#bytes.subarray(0, this.#offsets[length]),
    })
  }

  clear(): void {
    this.#length = 0
    this.#end = 0
    this.#last = ''
  }

  /** Copies what is between two places, the second being the end, to the end. */
  #repeat(from: number, until: number): void {
    const length = until - from
    if (until + length > this.#bytes.length) this.#bytes = grown(this.#bytes, until + length)
    const bytes = this.#bytes
    if (length > longText) bytes.copyWithin(until, from, until)
    else for (let i = 0; i < length; i += 1) bytes[until + i] = bytes[from + i]!
    this.#end = until + length
  }

  #write(text: string, from: number): void {
    const { length } = text
    if (from + length * 3 > this.#bytes.length) this.#bytes = grown(this.#bytes, from + length * 3)
    const bytes = this.#bytes
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i)
      if (code > 127) {
        this.#end = from + encoder.encodeInto(text, bytes.subarray(from)).written
        return
      }
      bytes[from + i] = code
    }
    this.#end = from + length
  }
}

/** Safe integers, as two words of 32 bits each: `instant_ms`, `uint64`, `int64`. */
export class Int64Column {
  readonly #kind: ColumnKind
  #words = new Uint32Array(firstCapacity * 2)
  #length = 0
  #last = 0
  #low = 0
  #high = 0

  constructor(kind: ColumnKind) {
    this.#kind = kind
  }

  append(value: number): void {
    if (value !== this.#last) {
      this.#last = value
      this.#high = Math.floor(value / twoTo32)
      this.#low = value - this.#high * twoTo32
    }
    const at = this.#length * 2
    if (at === this.#words.length) this.#words = doubled(this.#words)
    this.#words[at] = this.#low
    this.#words[at + 1] = this.#high
    this.#length += 1
  }

  data(length: number): Data {
    const data = new BigInt64Array(this.#words.buffer, 0, length)
    return makeData({ type: arrowTypes[this.#kind] as Int64, length, nullCount: 0, data: data as never })
  }

  clear(): void {
    this.#length = 0
  }
}

/** Scaled integers, as 128 bits of two's complement. */
export class DecimalColumn {
  #words = new BigInt64Array(firstCapacity * 2)
  #length = 0

  append(value: bigint): void {
    const at = this.#length * 2
    if (at === this.#words.length) this.#words = doubled(this.#words)
    // The array takes the low 64 bits of what it is given.
    this.#words[at] = value
    this.#words[at + 1] = BigInt.asIntN(64, value) === value ? (value < 0n ? -1n : 0n) : value >> 64n
    this.#length += 1
  }

  data(length: number): Data {
    const data = new Uint32Array(this.#words.buffer, 0, length * 4)
    return makeData({ type: arrowTypes.decimal as Decimal, length, nullCount: 0, data })
  }

  clear(): void {
    this.#length = 0
  }
}

export class Uint32Column {
  #values = new Uint32Array(firstCapacity)
  #length = 0

  append(value: number): void {
    if (this.#length === this.#values.length) this.#values = doubled(this.#values)
    this.#values[this.#length] = value
    this.#length += 1
  }

  data(length: number): Data {
    const data = this.#values.subarray(0, length)
    return makeData({ type: arrowTypes.uint32 as Uint32, length, nullCount: 0, data })
  }

  clear(): void {
    this.#length = 0
  }
}

export class Int8Column {
  #values = new Int8Array(firstCapacity)
  #length = 0

  append(value: number): void {
    if (this.#length === this.#values.length) this.#values = doubled(this.#values)
    this.#values[this.#length] = value
    this.#length += 1
  }

  data(length: number): Data {
    const data = this.#values.subarray(0, length)
    return makeData({ type: arrowTypes.int8 as Int8, length, nullCount: 0, data })
  }

  clear(): void {
    this.#length = 0
  }
}

/** Texts by name. The same map twice in a row is copied, not walked. */
export class MapColumn {
  readonly #keys = new TextColumn()
  readonly #values = new TextColumn()
  #offsets = new Int32Array(firstCapacity + 1)
  #length = 0
  #last: ReadonlyMap<string, string> | undefined

  get size(): number {
    return this.#keys.size + this.#values.size + this.#keys.length * 8
  }

  append(map: ReadonlyMap<string, string>): void {
    if (map === this.#last) {
      this.#keys.repeatLast(map.size)
      this.#values.repeatLast(map.size)
    } else {
      for (const [key, value] of map) {
        this.#keys.append(key)
        this.#values.append(value)
      }
      this.#last = map
    }
    if (++this.#length === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#length] = this.#keys.length
  }

  data(length: number): Data {
    const entries = this.#offsets[length]!
    const child = makeData({
      type: mapEntries,
      length: entries,
      nullCount: 0,
      children: [this.#keys.data(entries), this.#values.data(entries)],
    })
    const valueOffsets = this.#offsets.subarray(0, length + 1)
    return makeData({ type: arrowTypes.map as Map_, length, nullCount: 0, valueOffsets, child })
  }

  clear(): void {
    this.#keys.clear()
    this.#values.clear()
    this.#length = 0
    this.#last = undefined
  }
}

interface Growable<T> {
  readonly length: number
  set(other: T): void
}

function doubled<T extends Growable<T>>(values: T): T {
  return grownBy(values, values.length * 2)
}

function grown(values: Uint8Array<ArrayBuffer>, atLeast: number): Uint8Array<ArrayBuffer> {
  return grownBy(values, Math.max(values.length * 2, atLeast))
}

function grownBy<T extends Growable<T>>(values: T, length: number): T {
  const larger = new (values.constructor as new (length: number) => T)(length)
  larger.set(values)
  return larger
}
