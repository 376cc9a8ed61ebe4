// The usage charges of a partition, by id. Where a charge is a plain sum or count, its totals may run in typed arrays
// (running-totals.ts), which is what plain usage moves on; whoever asks for the charge gets it as it is now.
// Invariants: of a charge that runs the arrays are true, of any other the record; `get` ends the run, so a record that was
// got may be changed until the next event is rated; deltas and dumps restore the same charges, running or not.

import { type Scaled, scaledMax } from '../../../schemas/decimal.js'
import type { UsageCharge } from './records.js'
import { type MovedTotals, RunningTotals } from './running-totals.js'
import { type MapDelta, TrackedMap } from './tracked-map.js'
import { larger } from './typed-memory.js'

export class ChargeMap {
  readonly #map = new TrackedMap<UsageCharge>()
  readonly #totals = new RunningTotals()
  /** Those that were removed are left behind. */
  readonly #bySerial: UsageCharge[] = []
  #runs = new Uint8Array(64)

  get changed(): boolean {
    return this.#map.changed || this.#totals.changed
  }

  get(chargeId: string): UsageCharge | undefined {
    const charge = this.#map.get(chargeId)
    if (charge !== undefined && this.#runs[charge.serial] === 1) this.#stop(charge)
    return charge
  }

  *values(): IterableIterator<UsageCharge> {
    for (const charge of this.#map.values()) yield this.get(charge.chargeId)!
  }

  *entries(): IterableIterator<[string, UsageCharge]> {
    for (const charge of this.values()) yield [charge.chargeId, charge]
  }

  /** Gives the charge its serial: that of the charge whose place it takes, else the next. */
  set(charge: UsageCharge): void {
    const known = this.#map.get(charge.chargeId)
    charge.serial = known?.serial ?? this.#bySerial.length
    this.#keep(charge)
    this.#map.set(charge.chargeId, charge)
  }

  touch(chargeId: string): void {
    this.#map.touch(chargeId)
  }

  delete(chargeId: string): void {
    const charge = this.#map.get(chargeId)
    if (charge === undefined) return
    this.#runs[charge.serial] = 0
    this.#map.delete(chargeId)
  }

  /** The totals, with this charge running in them; undefined when it is no sum or count, or too large to run. */
  running(serial: number): RunningTotals | undefined {
    return this.#runs[serial] === 1 || this.#start(this.#bySerial[serial]!) ? this.#totals : undefined
  }

  /** Reads from the totals of a charge, so that they are near when they are needed; `serial` need not be one. */
  warm(serial: number): number {
    return serial >= 0 && serial < this.#bySerial.length ? this.#totals.events(serial) : 0
  }

  takeDelta(): MapDelta<UsageCharge> & { readonly moved: MovedTotals } {
    for (const charge of this.#map.takeTouched(one => this.#runs[one.serial] === 1 || this.#start(one))) {
      this.#totals.move(charge.serial)
    }
    for (const charge of this.#map.dirtyValues()) this.#writeBack(charge)
    // Of a charge that moved and does not run any more, the record is in the delta.
    return { ...this.#map.takeDelta(), moved: this.#totals.takeMoved(serial => this.#runs[serial] === 1) }
  }

  dump(): MapDelta<UsageCharge> {
    for (const charge of this.#map.values()) this.#writeBack(charge)
    return this.#map.dump()
  }

  apply(delta: MapDelta<UsageCharge> & { readonly moved?: MovedTotals }): void {
    this.#map.apply(delta)
    for (const [, charge] of delta.set) this.#keep(charge)
    if (delta.moved === undefined) return
    for (const serial of delta.moved.serials) {
      const charge = this.#bySerial[serial]
      if (charge === undefined) throw new Error(`The state lacks charge ${serial}, which a delta moves on.`)
      this.#runs[serial] = 1
    }
    this.#totals.apply(delta.moved)
  }

  #keep(charge: UsageCharge): void {
    const { serial } = charge
    this.#bySerial[serial] = charge
    this.#totals.reserve(serial)
    if (serial >= this.#runs.length) {
      this.#runs = larger(this.#runs, Math.max(serial + 1, this.#runs.length * 2))
    }
    this.#runs[serial] = 0
  }

  #start(charge: UsageCharge): boolean {
    const { accumulator, emitted, serial } = charge
    const { state, levelsAtStart } = accumulator
    if ((state.kind !== 'sum' && state.kind !== 'count') || levelsAtStart !== undefined) return false
    if (!isWithin(state.total) || !isWithin(emitted)) return false
    this.#totals.set(serial, accumulator.events, accumulator.firstMs, accumulator.lastMs)
    this.#totals.setAmounts(serial, state.total, emitted)
    this.#runs[serial] = 1
    return true
  }

  #stop(charge: UsageCharge): void {
    this.#writeBack(charge)
    this.#runs[charge.serial] = 0
    // What moved it on is in the record now, which may change further.
    if (this.#totals.hasMoved(charge.serial)) this.#map.touch(charge.chargeId)
  }

  #writeBack(charge: UsageCharge): void {
    const { accumulator, serial } = charge
    const { state } = accumulator
    if (this.#runs[serial] !== 1) return
    if (state.kind !== 'sum' && state.kind !== 'count') throw new Error(`A ${state.kind} cannot run.`)
    accumulator.events = this.#totals.events(serial)
    accumulator.firstMs = this.#totals.firstMs(serial)
    accumulator.lastMs = this.#totals.lastMs(serial)
    state.total = this.#totals.total(serial)
    charge.emitted = this.#totals.emitted(serial)
  }
}

/** Far within 128 bits, so that one more value of a column fits as well. */
function isWithin(amount: Scaled): boolean {
  return amount <= scaledMax && amount >= -scaledMax
}
