// Customers by the bytes of their ids: small numbers, so that what is kept of a customer can lie in typed arrays.
// Invariants: exact: the bytes are compared, the hash only says where to look; a number is never given twice.

import { fnv1a32Of } from '../../../schemas/identifiers.js'
import { larger } from './typed-memory.js'

export const unknownCustomer = -1
const firstCapacity = 1024
const maxLoad = 0.6

export class CustomerNumbers {
  /** Number by slot, open addressing. */
  #slots = new Int32Array(firstCapacity * 2).fill(unknownCustomer)
  #ids = new Uint8Array(firstCapacity * 16)
  /** The id of number n lies between ends n and n + 1. */
  #ends = new Int32Array(firstCapacity + 1)
  #count = 0

  find(bytes: Uint8Array, from: number, until: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = fnv1a32Of(bytes, from, until) & mask
    while (slots[slot] !== unknownCustomer && !this.#isAt(slots[slot]!, bytes, from, until)) {
      slot = (slot + 1) & mask
    }
    return slots[slot]!
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
    if (this.#count > this.#slots.length * maxLoad) this.#rehash()
    else this.#place(number)
    return number
  }

  idOf(number: number): string {
    const { buffer } = this.#ids
    const from = this.#ends[number]!
    return Buffer.from(buffer, from, this.#ends[number + 1]! - from).toString('utf8')
  }

  #isAt(number: number, bytes: Uint8Array, from: number, until: number): boolean {
    const ids = this.#ids
    const start = this.#ends[number]!
    const length = until - from
    if (this.#ends[number + 1]! - start !== length) return false
    for (let i = 0; i < length; i += 1) if (ids[start + i] !== bytes[from + i]) return false
    return true
  }

  #place(number: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = fnv1a32Of(this.#ids, this.#ends[number]!, this.#ends[number + 1]!) & mask
    while (slots[slot] !== unknownCustomer) slot = (slot + 1) & mask
    slots[slot] = number
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(unknownCustomer)
    for (let number = 0; number < this.#count; number += 1) this.#place(number)
  }
}
