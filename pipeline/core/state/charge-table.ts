// Ids, owners and terms of the usage charges of a partition, in typed arrays by serial; what was used is kept elsewhere
// (charge-map.ts). There is no object per charge, so millions of them cost the garbage collector nothing.
// Invariants: whole ids are compared, a hash only says where to look; a charge that is removed and put again keeps its
// serial; texts are Unicode (decode.ts refuses others), so equal UTF-8 means equal text.

import type { Accumulator } from '../../../rating/charges/accumulator.js'
import { ByteKeys, unknownKey } from '../../../schemas/byte-keys.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { UsageCharge } from './records.js'
import { larger } from './typed-memory.js'

type ChargeTerms = Omit<UsageCharge, 'accumulator' | 'emitted'>

/** What the charges of many customers have in common. */
type SharedTerms = Pick<
  ChargeTerms,
  'price' | 'meter' | 'plan' | 'planVersion' | 'entityId' | 'currency' | 'subscriptionVersion'
>

/** The customer and the subscription of a charge, with their numbers. */
interface Owner {
  readonly customerId: string
  readonly subscriptionId: string
  readonly customer: number
  readonly subscription: number
}

/** Charges, column by column: the form in which they are stored. */
export interface ChargeColumns {
  readonly serials: Uint32Array
  /** 16 bytes for each charge. */
  readonly ids: Uint8Array
  /** Two for each charge: from, until. */
  readonly times: BigInt64Array
  readonly customerIds: readonly string[]
  readonly subscriptionIds: readonly string[]
  /** For each charge, the index of its terms in `shared`. */
  readonly sharedAt: Uint32Array
  readonly shared: readonly SharedTerms[]
}

export const noCharge = -1
const idPrefix = 'ch_'
const idBytes = 16
const firstCapacity = 64
const maxLoad = 0.6
// A charge, 64 bytes, one line of memory; `customer`, `subscription` and `shared` are numbers, `next` is one more than the
// serial of the customer's charge before it, `here` is 1 unless the charge was removed:
//
//   byte  0              16       24       32         36             40       44     48     52
//        ┌──────────────┬────────┬────────┬──────────┬──────────────┬────────┬──────┬──────┬────────┐
//        │ id           │ fromNs │ untilNs│ customer │ subscription │ shared │ next │ here │ unused │
//        └──────────────┴────────┴────────┴──────────┴──────────────┴────────┴──────┴──────┴────────┘
//   as    16 bytes       long 2   long 3   word 8     word 9         word 10  11     12     13 to 15
const stride = 64
const longStride = stride / 8
const fromAt = 2
const untilAt = 3
const wordStride = stride / 4
const customerAt = 8
const subscriptionAt = 9
const sharedAtWord = 10
const nextAt = 11
const hereAt = 12

export class ChargeTable {
  #bytes = new Uint8Array(firstCapacity * stride)
  /** The same memory. */
  #words = new Int32Array(this.#bytes.buffer)
  #longs = new BigInt64Array(this.#bytes.buffer)
  /** Serials by id, open addressing. */
  #slots = new Int32Array(firstCapacity * 2).fill(noCharge)
  #count = 0
  readonly #customers = new ByteKeys()
  readonly #subscriptions = new ByteKeys()
  /** By customer: one more than the serial of his newest charge; each names the one before it. */
  #newestOf = new Int32Array(firstCapacity)
  #lastOwner: Owner | undefined
  readonly #shared: SharedTerms[] = []
  readonly #sharedNumbers = new Map<string, number>()
  /** The id of the current look-up. */
  readonly #id = new Uint8Array(idBytes)
  readonly #idWords = new Int32Array(this.#id.buffer)
  /** The same as text, '' when it was not read from text: mostly one charge is looked up, put and touched in a row. */
  #idText = ''

  /** All serials are below this. */
  get count(): number {
    return this.#count
  }

  find(chargeId: string): number {
    const serial = this.#readId(chargeId) ? this.#locate() : noCharge
    return serial !== noCharge && this.has(serial) ? serial : noCharge
  }

  has(serial: number): boolean {
    return serial < this.#count && this.#words[serial * wordStride + hereAt] === 1
  }

  /** Adds a charge or replaces the one with its id; returns its serial. */
  put(charge: ChargeTerms): number {
    this.#useId(charge.chargeId)
    const known = this.#locate()
    const serial = known === noCharge ? this.#count : known
    this.#write(serial, charge)
    return serial
  }

  /** Puts a stored charge under the serial that it has. */
  restore(charge: ChargeTerms): void {
    this.#useId(charge.chargeId)
    this.#write(charge.serial, charge)
  }

  remove(serial: number): void {
    const words = this.#words
    const next = words[serial * wordStride + nextAt]!
    const customer = words[serial * wordStride + customerAt]!
    words[serial * wordStride + hereAt] = 0
    if (this.#newestOf[customer] === serial + 1) {
      this.#newestOf[customer] = next
      return
    }
    let before = this.#newestOf[customer]! - 1
    while (words[before * wordStride + nextAt] !== serial + 1)
      before = words[before * wordStride + nextAt]! - 1
    words[before * wordStride + nextAt] = next
  }

  /** In the order in which they were put. */
  serialsOf(customerId: string): number[] {
    const customer = this.#customers.findText(customerId)
    const serials: number[] = []
    if (customer === unknownKey) return serials
    for (let at = this.#newestOf[customer]!; at !== 0; at = this.#words[(at - 1) * wordStride + nextAt]!) {
      serials.push(at - 1)
    }
    return serials.reverse()
  }

  /** A charge with its usage. One literal: objects that are put together from others are of many hidden classes. */
  record(serial: number, accumulator: Accumulator, emitted: Scaled): UsageCharge {
    const at = serial * wordStride
    const { price, meter, plan, planVersion, entityId, currency, subscriptionVersion } =
      this.#shared[this.#words[at + sharedAtWord]!]!
    return {
      chargeId: this.idOf(serial),
      serial,
      customerId: this.#customers.textOf(this.#words[at + customerAt]!),
      subscriptionId: this.#subscriptions.textOf(this.#words[at + subscriptionAt]!),
      price,
      meter,
      plan,
      planVersion,
      entityId,
      currency,
      subscriptionVersion,
      fromNs: this.#longs[serial * longStride + fromAt]!,
      untilNs: this.#longs[serial * longStride + untilAt]!,
      accumulator,
      emitted,
    }
  }

  idOf(serial: number): string {
    return `${idPrefix}${Buffer.from(this.#bytes.buffer, serial * stride, idBytes).toString('hex')}`
  }

  columnsOf(serials: readonly number[]): ChargeColumns {
    const ids = new Uint8Array(serials.length * idBytes)
    const times = new BigInt64Array(serials.length * 2)
    const customerIds: string[] = []
    const subscriptionIds: string[] = []
    const sharedAt = new Uint32Array(serials.length)
    const shared: SharedTerms[] = []
    const numbers = new Map<number, number>()
    serials.forEach((serial, i) => {
      const at = serial * wordStride
      ids.set(this.#bytes.subarray(serial * stride, serial * stride + idBytes), i * idBytes)
      times[i * 2] = this.#longs[serial * longStride + fromAt]!
      times[i * 2 + 1] = this.#longs[serial * longStride + untilAt]!
      customerIds.push(this.#customers.textOf(this.#words[at + customerAt]!))
      subscriptionIds.push(this.#subscriptions.textOf(this.#words[at + subscriptionAt]!))
      const number = this.#words[at + sharedAtWord]!
      const known = numbers.get(number) ?? shared.push(this.#shared[number]!) - 1
      numbers.set(number, known)
      sharedAt[i] = known
    })
    return { serials: Uint32Array.from(serials), ids, times, customerIds, subscriptionIds, sharedAt, shared }
  }

  /** Takes over charges of another table. */
  restoreColumns({
    serials,
    ids,
    times,
    customerIds,
    subscriptionIds,
    sharedAt,
    shared,
  }: ChargeColumns): void {
    const numbers = shared.map(one => this.#numberOfShared(one))
    for (let i = 0; i < serials.length; i += 1) {
      const serial = serials[i]!
      this.#id.set(ids.subarray(i * idBytes, (i + 1) * idBytes))
      this.#idText = ''
      this.#writeId(serial)
      this.#writeOwner(serial, customerIds[i]!, subscriptionIds[i]!)
      this.#writeTerms(serial, numbers[sharedAt[i]!]!, times[i * 2]!, times[i * 2 + 1]!)
    }
  }

  #write(serial: number, charge: ChargeTerms): void {
    this.#writeId(serial)
    this.#writeOwner(serial, charge.customerId, charge.subscriptionId)
    this.#writeTerms(serial, this.#numberOfShared(charge), charge.fromNs, charge.untilNs)
  }

  /** Makes the place of a serial that of the id at hand. */
  #writeId(serial: number): void {
    const known = this.#locate()
    if (known === serial) return
    if (this.has(serial)) throw new Error(`The serial ${serial} is that of another charge.`)
    // A removed charge that was put again after a restore, which did not know of it.
    if (known !== noCharge) this.#bytes.fill(0, known * stride, known * stride + idBytes)
    this.#count = Math.max(this.#count, serial + 1)
    let capacity = this.#bytes.length / stride
    if (serial >= capacity) {
      while (serial >= capacity) capacity *= 2
      this.#bytes = larger(this.#bytes, capacity * stride)
      this.#words = new Int32Array(this.#bytes.buffer)
      this.#longs = new BigInt64Array(this.#bytes.buffer)
    }
    this.#bytes.set(this.#id, serial * stride)
    if (this.#count > this.#slots.length * maxLoad) this.#rehash()
    else this.#place(serial)
  }

  #writeOwner(serial: number, customerId: string, subscriptionId: string): void {
    const words = this.#words
    const at = serial * wordStride
    const owner = this.#ownerOf(customerId, subscriptionId)
    words[at + subscriptionAt] = owner.subscription
    if (words[at + hereAt] === 1) return
    const { customer } = owner
    let { length } = this.#newestOf
    while (customer >= length) length *= 2
    if (length > this.#newestOf.length) this.#newestOf = larger(this.#newestOf, length)
    words[at + customerAt] = customer
    words[at + nextAt] = this.#newestOf[customer]!
    words[at + hereAt] = 1
    this.#newestOf[customer] = serial + 1
  }

  /** The charges of a subscription come one after another. */
  #ownerOf(customerId: string, subscriptionId: string): Owner {
    const last = this.#lastOwner
    if (last?.customerId === customerId && last.subscriptionId === subscriptionId) return last
    const customer = this.#customers.numberOfText(customerId)
    const subscription = this.#subscriptions.numberOfText(subscriptionId)
    this.#lastOwner = { customerId, subscriptionId, customer, subscription }
    return this.#lastOwner
  }

  #writeTerms(serial: number, shared: number, fromNs: bigint, untilNs: bigint): void {
    this.#words[serial * wordStride + sharedAtWord] = shared
    this.#longs[serial * longStride + fromAt] = fromNs
    this.#longs[serial * longStride + untilAt] = untilNs
  }

  #numberOfShared(charge: SharedTerms): number {
    const { price, meter, plan, planVersion, entityId, currency, subscriptionVersion } = charge
    const key = compositeKey(price, meter, plan, planVersion, entityId, currency, subscriptionVersion)
    let number = this.#sharedNumbers.get(key)
    if (number === undefined) {
      number = this.#shared.length
      this.#shared.push({ price, meter, plan, planVersion, entityId, currency, subscriptionVersion })
      this.#sharedNumbers.set(key, number)
    }
    return number
  }

  #useId(chargeId: string): void {
    if (!this.#readId(chargeId)) throw new Error(`The id ${chargeId} is not that of a charge.`)
  }

  /** Makes an id the one that is looked for; false when it is none. */
  #readId(chargeId: string): boolean {
    if (chargeId === this.#idText && chargeId !== '') return true
    this.#idText = ''
    if (chargeId.length !== idPrefix.length + idBytes * 2 || !chargeId.startsWith(idPrefix)) return false
    for (let i = 0; i < idBytes; i += 1) {
      const high = nibbleOf(chargeId.charCodeAt(idPrefix.length + i * 2))
      const low = nibbleOf(chargeId.charCodeAt(idPrefix.length + i * 2 + 1))
      if (high < 0 || low < 0) return false
      this.#id[i] = (high << 4) | low
    }
    this.#idText = chargeId
    return true
  }

  /** The serial that the id at hand has, whether the charge is there or was. */
  #locate(): number {
    const slots = this.#slots
    const words = this.#words
    const id = this.#idWords
    const mask = slots.length - 1
    // An id is a hash already.
    let slot = id[0]! & mask
    for (; slots[slot] !== noCharge; slot = (slot + 1) & mask) {
      const at = slots[slot]! * wordStride
      if (
        words[at] === id[0] &&
        words[at + 1] === id[1] &&
        words[at + 2] === id[2] &&
        words[at + 3] === id[3]
      ) {
        return slots[slot]!
      }
    }
    return noCharge
  }

  #place(serial: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = this.#words[serial * wordStride]! & mask
    while (slots[slot] !== noCharge) slot = (slot + 1) & mask
    slots[slot] = serial
  }

  #rehash(): void {
    let { length } = this.#slots
    while (this.#count > length * maxLoad) length *= 2
    this.#slots = new Int32Array(length).fill(noCharge)
    for (let serial = 0; serial < this.#count; serial += 1) this.#place(serial)
  }
}

/** Lower-case hexadecimal, as ids are written; else negative. */
function nibbleOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  return code >= 97 && code <= 102 ? code - 87 : -1
}
