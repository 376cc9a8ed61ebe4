// Customers by the bytes of their ids: small numbers, so that what is kept of a customer can lie in typed arrays.
// Invariants: exact: the bytes are compared, the hash only says where to look; a number is never given twice.

import { fnv1a32Of } from '../../../schemas/identifiers.js'
import { larger } from './typed-memory.js'

export const unknownCustomer = -1
const firstCapacity = 1024
/** Of slots in use; each slot is a quarter of a line of memory. */
const maxLoad = 0.6
/** Of a slot: one more than the customer's number, so that 0 is none; the hash; where the id begins; its length. */
const stride = 4

export class CustomerNumbers {
  /** Open addressing. */
  #slots = new Int32Array(firstCapacity * 2 * stride)
  #ids = new Uint8Array(firstCapacity * 16)
  /** The id of number n lies between ends n and n + 1. */
  #ends = new Int32Array(firstCapacity + 1)
  #count = 0
  #hashes = new Int32Array(firstCapacity)
  /** Of no use but to keep the looks into memory from being left out. */
  warmth = 0

  find(bytes: Uint8Array, from: number, until: number): number {
    return this.#find(hashOf(bytes, from, until), bytes, from, until)
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
    const ids = this.#ids
    const mask = slots.length / stride - 1
    let sum = 0
    for (let i = 0; i < count; i += 1) {
      if (wanted[i] === 0) continue
      const hash = hashOf(bytes, from[i]!, until[i]!)
      hashes[i] = hash
      sum += slots[(hash & mask) * stride]!
    }
    for (let i = 0; i < count; i += 1) {
      if (wanted[i] !== 0) sum += ids[slots[(hashes[i]! & mask) * stride + 2]!]!
    }
    this.warmth += sum
    for (let i = 0; i < count; i += 1) {
      into[i] = wanted[i] === 0 ? unknownCustomer : this.#find(hashes[i]!, bytes, from[i]!, until[i]!)
    }
  }

  /** The number of an id, a new one when there is none. */
  numberOf(customerId: string): number {
    const id = Buffer.from(customerId, 'utf8')
    const known = this.find(id, 0, id.length)
    if (known !== unknownCustomer) return known
    const number = this.#count
    const from = this.#ends[number]!
    if (from + id.length > this.#ids.length) {
      this.#ids = larger(this.#ids, Math.max(this.#ids.length * 2, from + id.length))
    }
    if (number + 1 === this.#ends.length) this.#ends = larger(this.#ends, this.#ends.length * 2)
    this.#ids.set(id, from)
    this.#ends[number + 1] = from + id.length
    this.#count += 1
    if (this.#count * stride > this.#slots.length * maxLoad) this.#rehash()
    else this.#place(number)
    return number
  }

  idOf(number: number): string {
    const { buffer } = this.#ids
    const from = this.#ends[number]!
    return Buffer.from(buffer, from, this.#ends[number + 1]! - from).toString('utf8')
  }

  #find(hash: number, bytes: Uint8Array, from: number, until: number): number {
    const slots = this.#slots
    const mask = slots.length / stride - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * stride
      if (slots[at] === 0) return unknownCustomer
      if (
        slots[at + 1] === hash &&
        slots[at + 3] === until - from &&
        this.#isAt(slots[at + 2]!, bytes, from, until)
      ) {
        return slots[at]! - 1
      }
    }
  }

  #isAt(start: number, bytes: Uint8Array, from: number, until: number): boolean {
    const ids = this.#ids
    const length = until - from
    for (let i = 0; i < length; i += 1) if (ids[start + i] !== bytes[from + i]) return false
    return true
  }

  #place(number: number): void {
    const slots = this.#slots
    const mask = slots.length / stride - 1
    const start = this.#ends[number]!
    const end = this.#ends[number + 1]!
    const hash = hashOf(this.#ids, start, end)
    let slot = hash & mask
    while (slots[slot * stride] !== 0) slot = (slot + 1) & mask
    slots.set([number + 1, hash, start, end - start], slot * stride)
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let number = 0; number < this.#count; number += 1) this.#place(number)
  }
}

/** All customers of a partition have the same remainder of FNV-1a, so its bits are mixed: otherwise slots stay empty. */
function hashOf(bytes: Uint8Array, from: number, until: number): number {
  let hash = fnv1a32Of(bytes, from, until)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
