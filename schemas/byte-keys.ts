// Byte strings under small numbers, counted from 0 in the order of first sight: open addressing over one piece of memory
// that holds the bytes of all of them. Customers, subscriptions and the texts of Arrow dictionaries are numbered here.
// Invariants: exact: the bytes are compared, a hash only says where to look; a number is never given twice before `clear`.
//
// These tables look alike and stay apart, each for a reason:
// - dedupe-shard.ts: its keys are hashes already; slots keep their order as they grow, and end with their day.
// - charge-table.ts: its keys are 16 bytes of a hash, which lie in the same line of memory as the charge.
// - key-tree.ts: a key belongs to a parent, and is known by the two words of a hash that was computed anyway.
// - arrow-string-dictionary.ts: its texts come as strings, which a Map of the engine finds by a hash that they carry.

import { doubled, grown, writeUtf8 } from './arrow/arrow-columns.js'
import { fnv1a32Of } from './identifiers.js'

/** No such key. */
export const unknownKey = -1

const firstCapacity = 64
/** Of slots in use. */
const maxLoad = 0.5
// A slot, four words of 32 bits, a quarter of a line of memory:
//
//   word  0             1      2                    3
//        ┌─────────────┬──────┬────────────────────┬────────┐
//        │ number + 1, │ hash │ where its bytes    │ length │
//        │ 0: empty    │      │ begin              │        │
//        └─────────────┴──────┴────────────────────┴────────┘
const stride = 4
const hashAt = 1
const startAt = 2
const lengthAt = 3

export class ByteKeys {
  #slots = new Int32Array(firstCapacity * 2 * stride)
  #bytes = new Uint8Array(firstCapacity * 16)
  /** The bytes of number n lie between ends n and n + 1. */
  #ends = new Int32Array(firstCapacity + 1)
  #count = 0
  #hashes = new Int32Array(firstCapacity)
  /** Of no use but to keep the looks into memory from being left out. */
  looks = 0

  get count(): number {
    return this.#count
  }

  /** Bytes of all keys. */
  get size(): number {
    return this.#ends[this.#count]!
  }

  /** The bytes of the first `count` keys, good until the next one is added. */
  bytesOf(count: number): Uint8Array {
    return this.#bytes.subarray(0, this.#ends[count])
  }

  /** Where each of the first `count` keys begins, and where the last one ends. */
  endsOf(count: number): Int32Array {
    return this.#ends.subarray(0, count + 1)
  }

  textOf(number: number): string {
    const from = this.#ends[number]!
    return Buffer.from(this.#bytes.buffer, from, this.#ends[number + 1]! - from).toString('utf8')
  }

  /** The number of the key in [from, until), or `unknownKey`. */
  find(bytes: Uint8Array, from: number, until: number): number {
    return this.#find(hashOf(bytes, from, until), bytes, from, until)
  }

  findText(text: string): number {
    const bytes = Buffer.from(text, 'utf8')
    return this.find(bytes, 0, bytes.length)
  }

  /**
   * Finds many at once, those that are `wanted`; the others are unknown. Memory is looked into step by step for all of
   * them, since looks that do not wait for one another are under way together.
   */
  findAll(
    bytes: Uint8Array,
    wanted: Uint8Array,
    from: Int32Array | Uint32Array,
    until: Int32Array | Uint32Array,
    count: number,
    into: Int32Array,
  ): void {
    if (this.#hashes.length < count) this.#hashes = new Int32Array(count)
    const hashes = this.#hashes
    const slots = this.#slots
    const own = this.#bytes
    const mask = slots.length / stride - 1
    let sum = 0
    for (let i = 0; i < count; i += 1) {
      if (wanted[i] === 0) continue
      const hash = hashOf(bytes, from[i]!, until[i]!)
      hashes[i] = hash
      sum += slots[(hash & mask) * stride]!
    }
    for (let i = 0; i < count; i += 1) {
      if (wanted[i] !== 0) sum += own[slots[(hashes[i]! & mask) * stride + startAt]!]!
    }
    this.looks += sum
    for (let i = 0; i < count; i += 1) {
      into[i] = wanted[i] === 0 ? unknownKey : this.#find(hashes[i]!, bytes, from[i]!, until[i]!)
    }
  }

  /** The number of the key in [from, until), a new one when there is none. */
  numberOf(bytes: Uint8Array, from: number, until: number): number {
    const hash = hashOf(bytes, from, until)
    const known = this.#find(hash, bytes, from, until)
    if (known !== unknownKey) return known
    const start = this.#ends[this.#count]!
    const length = until - from
    if (start + length > this.#bytes.length) this.#bytes = grown(this.#bytes, start + length)
    const own = this.#bytes
    for (let i = 0; i < length; i += 1) own[start + i] = bytes[from + i]!
    return this.#add(hash, start, length)
  }

  /** The same for a text, by its UTF-8. */
  numberOfText(text: string): number {
    const start = this.#ends[this.#count]!
    const most = start + text.length * 3
    if (most > this.#bytes.length) this.#bytes = grown(this.#bytes, most)
    const until = start + writeUtf8(text, this.#bytes, start) // stays there only if it is new
    const hash = hashOf(this.#bytes, start, until)
    const known = this.#find(hash, this.#bytes, start, until)
    return known === unknownKey ? this.#add(hash, start, until - start) : known
  }

  /** Whether the key of a number is what lies in [from, until). */
  isKey(number: number, bytes: Uint8Array, from: number, until: number): boolean {
    const start = this.#ends[number]!
    return this.#ends[number + 1]! - start === until - from && this.#isAt(start, bytes, from, until)
  }

  /** Forgets all keys and keeps the memory. */
  clear(): void {
    if (this.#count > 0) this.#slots.fill(0)
    this.#count = 0
  }

  #find(hash: number, bytes: Uint8Array, from: number, until: number): number {
    const slots = this.#slots
    const mask = slots.length / stride - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * stride
      if (slots[at] === 0) return unknownKey
      if (
        slots[at + hashAt] === hash &&
        slots[at + lengthAt] === until - from &&
        this.#isAt(slots[at + startAt]!, bytes, from, until)
      ) {
        return slots[at]! - 1
      }
    }
  }

  #isAt(start: number, bytes: Uint8Array, from: number, until: number): boolean {
    const own = this.#bytes
    const length = until - from
    for (let i = 0; i < length; i += 1) if (own[start + i] !== bytes[from + i]) return false
    return true
  }

  /** Makes what was written behind the last key a key. */
  #add(hash: number, start: number, length: number): number {
    const number = this.#count
    if (number + 1 === this.#ends.length) this.#ends = doubled(this.#ends)
    this.#ends[number + 1] = start + length
    this.#count = number + 1
    if (this.#count * stride > this.#slots.length * maxLoad) this.#enlarge()
    place(this.#slots, number, hash, start, length)
    return number
  }

  #enlarge(): void {
    const old = this.#slots
    this.#slots = new Int32Array(old.length * 2)
    for (let at = 0; at < old.length; at += stride) {
      if (old[at] === 0) continue
      place(this.#slots, old[at]! - 1, old[at + hashAt]!, old[at + startAt]!, old[at + lengthAt]!)
    }
  }
}

function place(slots: Int32Array, number: number, hash: number, start: number, length: number): void {
  const mask = slots.length / stride - 1
  let slot = hash & mask
  while (slots[slot * stride] !== 0) slot = (slot + 1) & mask
  const at = slot * stride
  slots[at] = number + 1
  slots[at + hashAt] = hash
  slots[at + startAt] = start
  slots[at + lengthAt] = length
}

/** All customers of a partition have the same remainder of FNV-1a, so its bits are mixed: otherwise slots stay empty. */
function hashOf(bytes: Uint8Array, from: number, until: number): number {
  let hash = fnv1a32Of(bytes, from, until)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
