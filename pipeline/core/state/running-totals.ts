// The running totals of charges that are sums and counts, in typed arrays by the charge's serial: what nearly every event
// changes, and nothing else. An event leaves no garbage here, and a delta is a copy of some rows.
// Invariant: amounts are exact; callers write only amounts that 128 bits hold, as every column of amounts does.

import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { addWords, putScaled, putWhole, wordsOfAmount } from '../../../schemas/money/decimal-words.js'
import { larger } from './typed-memory.js'

/** Charge by charge: its serial, (events, first, last), (total, emitted) as two words of 64 bits each, the low first. */
export interface MovedTotals {
  readonly serials: Uint32Array
  readonly numbers: Float64Array
  readonly amounts: BigInt64Array
}

const numbersEach = 3
const wordsEach = 4
// The totals of a charge, 8 words of 64 bits, one line of memory. Amounts are of two words, the low one first; `units` is
// the total in whole units where that is known, else 0:
//
//   word  0             2               4          5           6          7
//        ┌─────────────┬───────────────┬──────────┬───────────┬──────────┬─────────┐
//        │ total       │ emitted       │ events   │ firstMs   │ lastMs   │ units   │
//        └─────────────┴───────────────┴──────────┴───────────┴──────────┴─────────┘
//   as    two longs     two longs       double     double      double     double
const stride = 8
const numbersAt = wordsEach
const unitsAt = numbersAt + 3
const halvesStride = stride * 2
const firstCapacity = 64
const halvesEach = wordsEach * 2

export class RunningTotals {
  #words = new BigInt64Array(firstCapacity * stride)
  /** The same memory, by halves of words, which makes no bigint, and as doubles. */
  #halves = new Int32Array(this.#words.buffer)
  #numbers = new Float64Array(this.#words.buffer)
  #isMoved = new Uint8Array(firstCapacity)
  #moved: number[] = []
  readonly #sum = new Uint32Array(wordsOfAmount)

  get changed(): boolean {
    return this.#moved.length > 0
  }

  /** Makes the arrays long enough for a serial; called before it is used. */
  reserve(serial: number): void {
    let capacity = this.#isMoved.length
    if (serial < capacity) return
    while (serial >= capacity) capacity *= 2
    this.#words = larger(this.#words, capacity * stride)
    this.#halves = new Int32Array(this.#words.buffer)
    this.#numbers = new Float64Array(this.#words.buffer)
    this.#isMoved = larger(this.#isMoved, capacity)
  }

  events(serial: number): number {
    return this.#numbers[serial * stride + numbersAt]!
  }

  firstMs(serial: number): number {
    return this.#numbers[serial * stride + numbersAt + 1]!
  }

  lastMs(serial: number): number {
    return this.#numbers[serial * stride + numbersAt + 2]!
  }

  /**
   * The total, if it is known to be so many whole units, all of which are emitted for; else 0. A double holds it exactly.
   */
  units(serial: number): number {
    return this.#numbers[serial * stride + unitsAt]!
  }

  total(serial: number): Scaled {
    return this.#read(serial * stride)
  }

  emitted(serial: number): Scaled {
    return this.#read(serial * stride + 2)
  }

  set(serial: number, events: number, firstMs: number, lastMs: number): void {
    const at = serial * stride + numbersAt
    this.#numbers[at] = events
    this.#numbers[at + 1] = firstMs
    this.#numbers[at + 2] = lastMs
    this.#numbers[serial * stride + unitsAt] = 0
  }

  setAmounts(serial: number, total: Scaled, emitted: Scaled): void {
    const at = serial * stride
    this.#write(at, total)
    this.#write(at + 2, emitted)
  }

  /** Adds one event, after which the charge has emitted what is owed. `isWhole`: its quantity was a whole number. */
  add(serial: number, timeMs: number, total: Scaled, owed: Scaled, isWhole: boolean): void {
    this.#count(serial, timeMs)
    this.setAmounts(serial, total, owed)
    this.#numbers[serial * stride + unitsAt] = isWhole ? wholeUnitsOf(total) : 0
  }

  /** Adds one event to a charge whose `units` are known and below `wholeLimit`; `growth` is scaled. */
  grow(serial: number, timeMs: number, units: number, growth: number): void {
    this.#count(serial, timeMs)
    const at = serial * halvesStride
    putWhole(units, this.#sum)
    addWords(this.#sum, this.#halves, at)
    putScaled(growth, this.#sum)
    addWords(this.#sum, this.#halves, at + halvesEach / 2)
    this.#numbers[serial * stride + unitsAt] = this.#numbers[serial * stride + unitsAt]! + units
  }

  #count(serial: number, timeMs: number): void {
    const numbers = this.#numbers
    const at = serial * stride + numbersAt
    numbers[at] = numbers[at]! + 1
    if (timeMs < numbers[at + 1]!) numbers[at + 1] = timeMs
    if (timeMs > numbers[at + 2]!) numbers[at + 2] = timeMs
    this.move(serial)
  }

  /** The totals belong into the next delta. */
  move(serial: number): void {
    if (this.#isMoved[serial] === 1) return
    this.#isMoved[serial] = 1
    this.#moved.push(serial)
  }

  hasMoved(serial: number): boolean {
    return this.#isMoved[serial] === 1
  }

  /** The totals that moved since the last call, of the serials that are wanted. */
  takeMoved(isWanted: (serial: number) => boolean): MovedTotals {
    const moved = this.copyOf(this.#moved.filter(isWanted))
    for (const serial of this.#moved) this.#isMoved[serial] = 0
    this.#moved = []
    return moved
  }

  copyOf(charges: readonly number[]): MovedTotals {
    const serials = Uint32Array.from(charges)
    const count = serials.length
    const numbers = new Float64Array(count * numbersEach)
    const amounts = new BigInt64Array(count * wordsEach)
    const halves = new Int32Array(amounts.buffer)
    for (let i = 0; i < count; i += 1) {
      const serial = serials[i]!
      for (let n = 0; n < numbersEach; n += 1) {
        numbers[i * numbersEach + n] = this.#numbers[serial * stride + numbersAt + n]!
      }
      for (let h = 0; h < halvesEach; h += 1) {
        halves[i * halvesEach + h] = this.#halves[serial * halvesStride + h]!
      }
    }
    return { serials, numbers, amounts }
  }

  apply({ serials, numbers, amounts }: MovedTotals): void {
    for (let i = 0; i < serials.length; i += 1) {
      const serial = serials[i]!
      this.reserve(serial)
      const at = serial * stride
      this.#words.set(amounts.subarray(i * wordsEach, (i + 1) * wordsEach), at)
      this.#numbers.set(numbers.subarray(i * numbersEach, (i + 1) * numbersEach), at + numbersAt)
      this.#numbers[at + unitsAt] = 0
    }
  }

  #read(word: number): Scaled {
    const high = this.#halves[word * 2 + 3]!
    // The high word only repeats the sign of the low one, unless the amount is large.
    const isSmall =
      high === this.#halves[word * 2 + 2]! &&
      (high === 0 || high === -1) &&
      high === this.#halves[word * 2 + 1]! >> 31
    return isSmall
      ? this.#words[word]!
      : (this.#words[word + 1]! << 64n) + BigInt.asUintN(64, this.#words[word]!)
  }

  #write(word: number, amount: Scaled): void {
    // The array keeps the low 64 bits of the amount; mostly there are no others.
    this.#words[word] = amount
    if (this.#words[word] !== amount) {
      this.#words[word + 1] = amount >> 64n
      return
    }
    const sign = this.#halves[word * 2 + 1]! >> 31
    this.#halves[word * 2 + 2] = sign
    this.#halves[word * 2 + 3] = sign
  }
}

function wholeUnitsOf(total: Scaled): number {
  if (total <= 0n || total % scaledOne !== 0n) return 0
  const units = Number(total / scaledOne)
  return units <= Number.MAX_SAFE_INTEGER ? units : 0
}
