// The usage charges of a partition, by id. Their ids, owners and terms lie in a table (charge-table.ts). A charge that is a
// plain sum or count may run: its totals then lie in typed arrays (running-totals.ts), to which plain usage is added, and
// it has no record object.
// Invariants: a charge either runs or has a record; the methods named `stop…` turn a running charge into a record, which
// the caller may change until the next event is rated or the next delta is taken; deltas and dumps restore the same
// charges, running or not.

import { type AdditiveState, isAdditiveState } from '../../../rating/aggregations/registry.js'
import type { Accumulator } from '../../../rating/charges/accumulator.js'
import { aggregationFacts, aggregations } from '../../../schemas/catalog/aggregations.js'
import { type Scaled, scaledMax } from '../../../schemas/money/decimal.js'
import { type ChargeColumns, ChargeTable, noCharge } from './charge-table.js'
import type { UsageCharge } from './records.js'
import { type MovedTotals, RunningTotals } from './running-totals.js'
import type { MapDelta } from './tracked-map.js'
import { larger } from './typed-memory.js'

/** Running charges, stored as columns: those that were put, and the totals of these and of all that usage was added to. */
interface RunningDelta {
  readonly put: ChargeColumns
  /** The number of each one's aggregation. */
  readonly kinds: Uint8Array
  readonly moved: MovedTotals
}

export interface ChargeDelta extends MapDelta<UsageCharge> {
  readonly running: RunningDelta
}

/** A running charge has the number of its aggregation in stored state; any other charge has this. */
const notRunning = 0
const runningNames = new Map(aggregations.map(name => [aggregationFacts[name].additive, name]))
/** Bits that are set when a charge has changed, or was put, since the last delta. */
const changedMark = 1
const putMark = 2
const firstCapacity = 64
/** So many charges at most are in one part of a dump. */
const chargesEach = 10_000

export class ChargeMap {
  readonly #table = new ChargeTable()
  readonly #totals = new RunningTotals()
  /** The charges that do not run, by serial. */
  readonly #records = new Map<number, UsageCharge>()
  #runs = new Uint8Array(firstCapacity)
  #marks = new Uint8Array(firstCapacity)
  /** Serials with a mark, in the order of their first change. */
  #dirty: number[] = []
  readonly #deleted = new Set<string>()

  get changed(): boolean {
    return this.#dirty.length > 0 || this.#deleted.size > 0 || this.#totals.changed
  }

  has(chargeId: string): boolean {
    return this.#table.find(chargeId) !== noCharge
  }

  /** The record of a charge, which may then be changed: it no longer runs in the totals. */
  stopRunning(chargeId: string): UsageCharge | undefined {
    const serial = this.#table.find(chargeId)
    return serial === noCharge ? undefined : this.#record(serial)
  }

  /** The records of all charges of a customer, in the order in which they were put. None of them runs any more. */
  stopRunningOf(customerId: string): UsageCharge[] {
    return this.#table.serialsOf(customerId).map(serial => this.#record(serial))
  }

  /** The time of the customer's newest event that is rated; -Infinity without any. */
  newestMs(customerId: string): number {
    let newestMs = Number.NEGATIVE_INFINITY
    for (const serial of this.#table.serialsOf(customerId)) {
      const { lastMs } = this.#records.get(serial)?.accumulator ?? { lastMs: this.#totals.lastMs(serial) }
      newestMs = Math.max(newestMs, lastMs)
    }
    return newestMs
  }

  /** The records of all charges. A charge stops running when the iterator reaches it. */
  *stopAllRunning(): IterableIterator<UsageCharge> {
    for (const serial of this.#serials()) yield this.#record(serial)
  }

  /** Gives the charge a serial: that of the charge with this id if there was one, else the next. */
  set(charge: UsageCharge): void {
    charge.serial = this.#table.put(charge)
    this.#keep(charge)
    this.#deleted.delete(charge.chargeId)
    this.#mark(charge.serial, putMark)
  }

  touch(chargeId: string): void {
    const serial = this.#table.find(chargeId)
    if (serial !== noCharge) this.#mark(serial, changedMark)
  }

  delete(chargeId: string): void {
    if (this.#remove(chargeId)) this.#deleted.add(chargeId)
  }

  /** Starts the charge if needed and returns the totals; undefined when it is no sum or count, or too large to run. */
  running(serial: number): RunningTotals | undefined {
    return this.#runs[serial] !== notRunning || this.#start(serial) ? this.#totals : undefined
  }

  /** Prefetches the totals of a charge by reading from them; `serial` need not be one. */
  prefetch(serial: number): number {
    return serial >= 0 && serial < this.#table.count ? this.#totals.events(serial) : 0
  }

  takeDelta(): ChargeDelta {
    const set: [string, UsageCharge][] = []
    const put: number[] = []
    for (const serial of this.#dirty) {
      const mark = this.#marks[serial]!
      this.#marks[serial] = 0
      if (!this.#table.has(serial)) continue
      if (this.running(serial) !== undefined) {
        if ((mark & putMark) !== 0) put.push(serial)
        this.#totals.move(serial)
      } else {
        const record = this.#record(serial)
        set.push([record.chargeId, record])
      }
    }
    const deleted = [...this.#deleted]
    this.#dirty = []
    this.#deleted.clear()
    // A charge that moved and no longer runs is in the delta as a record.
    const moved = this.#totals.takeMoved(serial => this.#runs[serial] !== notRunning)
    return { set, deleted, running: { ...this.#columnsOf(put), moved } }
  }

  /** All of them, in deltas to be applied one after another; an empty one when there is none. */
  *dump(): IterableIterator<ChargeDelta> {
    let serials: number[] = []
    for (const serial of this.#serials()) {
      serials.push(serial)
      if (serials.length < chargesEach) continue
      yield this.#dumpOf(serials)
      serials = []
    }
    yield this.#dumpOf(serials)
  }

  #dumpOf(all: readonly number[]): ChargeDelta {
    const running = all.filter(serial => this.#runs[serial] !== notRunning)
    const records = all
      .filter(serial => this.#runs[serial] === notRunning)
      .map(serial => this.#record(serial))
    return {
      set: records.map(record => [record.chargeId, record]),
      deleted: [],
      running: { ...this.#columnsOf(running), moved: this.#totals.copyOf(running) },
    }
  }

  apply({ set, deleted, running }: ChargeDelta): void {
    for (const chargeId of deleted) this.#remove(chargeId)
    for (const [, charge] of set) {
      this.#table.restore(charge)
      this.#keep(charge)
    }
    this.#applyPut(running)
    this.#applyMoved(running.moved)
  }

  #applyPut({ put, kinds }: RunningDelta): void {
    this.#table.restoreColumns(put)
    for (let i = 0; i < kinds.length; i += 1) {
      const serial = put.serials[i]!
      this.#reserve(serial)
      this.#records.delete(serial)
      this.#runs[serial] = kinds[i]!
    }
  }

  #applyMoved(moved: MovedTotals): void {
    for (const serial of moved.serials) {
      if (!this.#table.has(serial))
        throw new Error(`The state lacks charge ${serial}, which a delta moves on.`)
      // The amounts of the record do not matter: the delta brings those of the totals.
      const state = this.#records.get(serial)?.accumulator.state
      if (state === undefined) continue
      if (!isAdditiveState(state)) throw new Error(`A ${state.kind} cannot run.`)
      this.#runs[serial] = aggregationFacts[state.kind].additive
      this.#records.delete(serial)
    }
    this.#totals.apply(moved)
  }

  #columnsOf(serials: readonly number[]): Pick<RunningDelta, 'put' | 'kinds'> {
    return { put: this.#table.columnsOf(serials), kinds: Uint8Array.from(serials, at => this.#runs[at]!) }
  }

  *#serials(): IterableIterator<number> {
    for (let serial = 0; serial < this.#table.count; serial += 1) if (this.#table.has(serial)) yield serial
  }

  #remove(chargeId: string): boolean {
    const serial = this.#table.find(chargeId)
    if (serial === noCharge) return false
    this.#table.remove(serial)
    this.#records.delete(serial)
    this.#runs[serial] = notRunning
    return true
  }

  #keep(charge: UsageCharge): void {
    this.#reserve(charge.serial)
    this.#records.set(charge.serial, charge)
    this.#runs[charge.serial] = notRunning
  }

  #reserve(serial: number): void {
    this.#totals.reserve(serial)
    if (serial < this.#runs.length) return
    const capacity = Math.max(serial + 1, this.#runs.length * 2)
    this.#runs = larger(this.#runs, capacity)
    this.#marks = larger(this.#marks, capacity)
  }

  #mark(serial: number, mark: number): void {
    if (this.#marks[serial] === 0) this.#dirty.push(serial)
    this.#marks[serial]! |= mark
  }

  #start(serial: number): boolean {
    const charge = this.#records.get(serial)
    if (charge === undefined) return false
    const { accumulator, emitted } = charge
    const { state, levelsAtStart } = accumulator
    if (!isAdditiveState(state) || levelsAtStart !== undefined) return false
    if (!isWithin(state.total) || !isWithin(emitted)) return false
    this.#totals.set(serial, accumulator.events, accumulator.firstMs, accumulator.lastMs)
    this.#totals.setAmounts(serial, state.total, emitted)
    this.#runs[serial] = aggregationFacts[state.kind].additive
    this.#records.delete(serial)
    return true
  }

  /** The record of a charge. A running charge stops. */
  #record(serial: number): UsageCharge {
    const known = this.#records.get(serial)
    if (known !== undefined) return known
    const totals = this.#totals
    const accumulator: Accumulator = {
      events: totals.events(serial),
      firstMs: totals.firstMs(serial),
      lastMs: totals.lastMs(serial),
      levelsAtStart: undefined,
      state: { kind: runningNames.get(this.#runs[serial]), total: totals.total(serial) } as AdditiveState,
    }
    const charge = this.#table.record(serial, accumulator, totals.emitted(serial))
    this.#records.set(serial, charge)
    this.#runs[serial] = notRunning
    // The usage since the last delta is in the record now, so the delta must hold the record.
    if (totals.hasMoved(serial)) this.#mark(serial, changedMark)
    return charge
  }
}

/** Far within 128 bits, so that one more value still fits. */
function isWithin(amount: Scaled): boolean {
  return amount <= scaledMax && amount >= -scaledMax
}
