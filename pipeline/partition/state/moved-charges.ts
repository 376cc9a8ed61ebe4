// The usage charges that a commit moved on, packed: nearly all of a delta in steady state. Only what an event changes is
// written, in typed arrays: a sixth of the bytes of whole records, and of the time to write them.
// Invariant: packed and applied, a charge is the same as its whole record would make it; what cannot be packed exactly
// is left to the map's own delta.

import type { Scaled } from '../../../schemas/decimal.js'
import type { UsageCharge } from './records.js'
import type { TrackedMap } from './tracked-map.js'

/** Charge by charge: its serial, (events, first, last), (total, emitted) as two words of 64 bits each, the low first. */
export interface MovedCharges {
  readonly serials: Uint32Array
  readonly numbers: Float64Array
  readonly amounts: BigInt64Array
}

const numbersEach = 3
const wordsEach = 4
const largest = 1n << 127n

export function takeMovedCharges(charges: TrackedMap<UsageCharge>): MovedCharges {
  const moved = charges.takeTouched(canBePacked)
  const serials = new Uint32Array(moved.length)
  const numbers = new Float64Array(moved.length * numbersEach)
  const amounts = new BigInt64Array(moved.length * wordsEach)
  for (let i = 0; i < moved.length; i += 1) {
    const { accumulator, emitted, serial } = moved[i]!
    serials[i] = serial
    numbers[i * numbersEach] = accumulator.events
    numbers[i * numbersEach + 1] = accumulator.firstMs
    numbers[i * numbersEach + 2] = accumulator.lastMs
    writeAmount(amounts, i * wordsEach, totalOf(accumulator.state))
    writeAmount(amounts, i * wordsEach + 2, emitted)
  }
  return { serials, numbers, amounts }
}

export function applyMovedCharges(
  bySerial: readonly (UsageCharge | undefined)[],
  { serials, numbers, amounts }: MovedCharges,
): void {
  for (let i = 0; i < serials.length; i += 1) {
    const charge = bySerial[serials[i]!]
    if (charge === undefined) throw new Error(`The state lacks charge ${serials[i]}, which a delta moves on.`)
    const { accumulator } = charge
    const { state } = accumulator
    if (state.kind !== 'sum' && state.kind !== 'count') throw new Error(`A delta moves on a ${state.kind}.`)
    accumulator.events = numbers[i * numbersEach]!
    accumulator.firstMs = numbers[i * numbersEach + 1]!
    accumulator.lastMs = numbers[i * numbersEach + 2]!
    state.total = readAmount(amounts, i * wordsEach)
    charge.emitted = readAmount(amounts, i * wordsEach + 2)
  }
}

/** Only counts and sums are so little; 128 bits hold every amount that a column of the tables holds. */
function canBePacked({ accumulator, emitted }: UsageCharge): boolean {
  const { state, levelsAtStart } = accumulator
  if (state.kind !== 'sum' && state.kind !== 'count') return false
  return levelsAtStart === undefined && fits(state.total) && fits(emitted)
}

function fits(amount: Scaled): boolean {
  return amount < largest && amount > -largest
}

function totalOf(state: UsageCharge['accumulator']['state']): Scaled {
  if (state.kind !== 'sum' && state.kind !== 'count') throw new Error(`A ${state.kind} cannot be packed.`)
  return state.total
}

function writeAmount(words: BigInt64Array, at: number, amount: Scaled): void {
  // The array takes the low 64 bits of what it is given, which are mostly all.
  words[at] = amount
  words[at + 1] = words[at] === amount ? (amount < 0n ? -1n : 0n) : amount >> 64n
}

function readAmount(words: BigInt64Array, at: number): Scaled {
  return (words[at + 1]! << 64n) + BigInt.asUintN(64, words[at]!)
}
