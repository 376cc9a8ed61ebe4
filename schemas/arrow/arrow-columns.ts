// Arrow columns that grow by one value at a time, for the table that gets a row with every event.
// Invariants: values become UTF-8 bytes and words at once, so only the bytes of a row are kept; `put` hands
// on views, which are valid until the next `append` or `clear`; `clear` keeps the memory for the next record
// batch.
// The trick: a text equal to the previous one is copied from it, and a short text is written by a loop, which
// is cheaper than a call out of JavaScript.

import { type Data, makeData } from 'apache-arrow'
import type { IpcBatch } from './arrow-ipc.js'
import { utf8 } from './arrow-schema.js'

const encoder = new TextEncoder()
const firstCapacity = 64
const twoTo32 = 2 ** 32
const nanosPerMs = 1_000_000
const int64Min = -(2n ** 63n)
const int64Max = 2n ** 63n - 1n
/** From this many bytes on, copying by a call is faster than a loop. */
const longText = 48

/** Offsets shared by all columns without text, so that a record batch holds them once. Never written to. */
let noOffsets = new Int32Array(firstCapacity + 1)

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
    if (text !== '') {
      const last = this.#length === 0 ? 0 : this.#offsets[this.#length - 1]!
      if (text === this.#last && this.#end > last) this.#copyFrom(last)
      else {
        this.#write(text, this.#end)
        this.#last = text
      }
    }
    this.#close()
  }

  /** Appends a text that is given as UTF-8. */
  appendBytes(bytes: Uint8Array, from: number, until: number): void {
    const end = this.#end
    const length = until - from
    if (end + length > this.#bytes.length) this.#bytes = grown(this.#bytes, end + length)
    const own = this.#bytes
    if (length > longText) own.set(bytes.subarray(from, until), end)
    else for (let i = 0; i < length; i += 1) own[end + i] = bytes[from + i]!
    this.#end = end + length
    this.#last = ''
    this.#close()
  }

  /** Appends the last text once more. */
  repeat(): void {
    this.#copyFrom(this.#offsets[this.#length - 1]!)
    this.#close()
  }

  put(batch: IpcBatch, length: number): void {
    batch.node(length)
    if (this.#offsets[length] === 0) batch.buffer(zeroOffsets(length + 1))
    else batch.buffer(this.#offsets.subarray(0, length + 1))
    batch.buffer(this.#bytes.subarray(0, this.#offsets[length]))
  }

  /** The column as apache-arrow's `Data`, for writers that use its classes. */
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

  /** Appends a copy of the bytes from the given offset to the end. */
  #copyFrom(from: number): void {
    const until = this.#end
    const length = until - from
    if (until + length > this.#bytes.length) this.#bytes = grown(this.#bytes, until + length)
    const bytes = this.#bytes
    if (length > longText) bytes.copyWithin(until, from, until)
    else for (let i = 0; i < length; i += 1) bytes[until + i] = bytes[from + i]!
    this.#end = until + length
  }

  #close(): void {
    if (++this.#length === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#length] = this.#end
  }

  #write(text: string, from: number): void {
    const { length } = text
    if (from + length * 3 > this.#bytes.length) this.#bytes = grown(this.#bytes, from + length * 3)
    this.#end = from + writeUtf8(text, this.#bytes, from)
  }
}

/** A column of safe integers, two 32-bit words each: instants in milliseconds, `uint64`, `int64`. */
export class Int64Column {
  #words = new Uint32Array(firstCapacity * 2)
  #length = 0
  #last = 0
  #low = 0
  #high = 0

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

  at(index: number): number {
    return this.#words[index * 2]! + (this.#words[index * 2 + 1]! | 0) * twoTo32
  }

  put(batch: IpcBatch, length: number): void {
    batch.node(length)
    batch.buffer(this.#words.subarray(0, length * 2))
  }

  clear(): void {
    this.#length = 0
  }
}

/** A column of epoch nanoseconds, not negative, two 32-bit words each. */
export class NanosecondColumn {
  #words = new Uint32Array(firstCapacity * 2)
  #length = 0

  /** `nanos`: nanoseconds beyond `ms`, below a million. No double holds the sum; it is computed in words. */
  append(ms: number, nanos: number): void {
    const at = this.#length * 2
    if (at === this.#words.length) this.#words = doubled(this.#words)
    const high = Math.floor(ms / twoTo32)
    const low = (ms - high * twoTo32) * nanosPerMs + nanos
    const carry = Math.floor(low / twoTo32)
    this.#words[at] = low - carry * twoTo32
    this.#words[at + 1] = high * nanosPerMs + carry
    this.#length += 1
  }

  at(index: number): bigint {
    return (BigInt(this.#words[index * 2 + 1]!) << 32n) | BigInt(this.#words[index * 2]!)
  }

  put(batch: IpcBatch, length: number): void {
    batch.node(length)
    batch.buffer(this.#words.subarray(0, length * 2))
  }

  clear(): void {
    this.#length = 0
  }
}

/** A column of scaled integers, as 128-bit two's complement. */
export class DecimalColumn {
  #words = new BigInt64Array(firstCapacity * 2)
  /** The same memory as 32-bit halves of its 64-bit words. */
  #halves = new Uint32Array(this.#words.buffer)
  #length = 0

  append(value: bigint): void {
    const at = this.#length * 2
    if (at === this.#words.length) this.#grow()
    // The array stores the low 64 bits of a bigint.
    this.#words[at] = value
    this.#words[at + 1] = value <= int64Max && value >= int64Min ? (value < 0n ? -1n : 0n) : highWord(value)
    this.#length += 1
  }

  /** Appends a value that is not negative, given as three 32-bit words (decimal-words.ts). */
  appendWords(words: Uint32Array): void {
    const at = this.#length * 4
    if (at === this.#halves.length) this.#grow()
    const halves = this.#halves
    halves[at] = words[0]!
    halves[at + 1] = words[1]!
    halves[at + 2] = words[2]!
    halves[at + 3] = 0
    this.#length += 1
  }

  put(batch: IpcBatch, length: number): void {
    batch.node(length)
    batch.buffer(this.#words.subarray(0, length * 2))
  }

  clear(): void {
    this.#length = 0
  }

  #grow(): void {
    this.#words = doubled(this.#words)
    this.#halves = new Uint32Array(this.#words.buffer)
  }
}

/** The upper 64 bits of a value. Throws when 128 bits do not hold it; rating refuses such values earlier. */
export function highWord(value: bigint): bigint {
  const high = value >> 64n
  if (BigInt.asIntN(64, high) !== high) throw new Error(`${value} has more than 128 bits.`)
  return high
}

/** Writes UTF-8 into memory that has three bytes per character; returns the number of bytes written. */
export function writeUtf8(text: string, into: Uint8Array, at: number): number {
  const { length } = text
  for (let i = 0; i < length; i += 1) {
    const code = text.charCodeAt(i)
    if (code > 127) return encoder.encodeInto(text, into.subarray(at)).written
    into[at + i] = code
  }
  return length
}

interface Growable<T> {
  readonly length: number
  set(other: T): void
}

export function doubled<T extends Growable<T>>(values: T): T {
  return grownBy(values, values.length * 2)
}

export function grown(values: Uint8Array<ArrayBuffer>, atLeast: number): Uint8Array<ArrayBuffer> {
  return grownBy(values, Math.max(values.length * 2, atLeast))
}

function grownBy<T extends Growable<T>>(values: T, length: number): T {
  const larger = new (values.constructor as new (length: number) => T)(length)
  larger.set(values)
  return larger
}

function zeroOffsets(length: number): Int32Array {
  if (length > noOffsets.length) noOffsets = new Int32Array(length * 2)
  return noOffsets.subarray(0, length)
}
