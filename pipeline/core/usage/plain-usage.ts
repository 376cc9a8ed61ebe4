// Plain usage, from the bytes of a message straight to rows: no object per event, and what was looked up once for a
// customer is kept for his next event. Whatever is not plain, not known yet or in any way out of the ordinary goes the
// general way (admit.ts, place-usage.ts), event by event.
// Invariant: which way an event takes makes no difference to what becomes of it; a test sends the same events both ways.

import { amountOfTotal } from '../../../rating/charges/rate.js'
import { growthOf } from '../../../rating/price-models/linear.js'
import { partitionOf } from '../../../schemas/identifiers.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { putScaled, putWhole } from '../../../schemas/money/decimal-words.js'
import { nsOf } from '../../../schemas/time.js'
import {
  type Decoded,
  decodeEvent,
  decodeMessages,
  type InputMessage,
  type ReceivedEvent,
} from '../decode/decode.js'
import { PlainRow } from '../rows/plain-row.js'
import { ScanLayout } from '../scan/layout.js'
import {
  isPlainScalar,
  matchEvent,
  PlainCatalog,
  type PlainMatch,
  type PlainType,
  plainQuantity,
  plainWhole,
  textOf,
} from '../scan/plain-meters.js'
import { type ScannedEvents, valueKinds } from '../scan/scanned-events.js'
import { UsageScanner } from '../scan/scanner.js'
import type { PriceBook } from '../state/price-book.js'
import { isSpan, none } from '../state/usage-routes.js'
import { admitUsage, refuseConflict } from '../step/admit.js'
import type { Batch } from '../step/batch.js'
import { dayOf } from '../step/dedupe.js'
import { findRoute } from './find-route.js'
import { placeUsage } from './place-usage.js'

const identityWords = 4
const contentWords = 2
const firstCapacity = 1024

/** One message while its events are placed. */
interface Course {
  readonly batch: Batch
  readonly message: InputMessage
  readonly scan: ScannedEvents
  readonly day: number
  /** All events of the message the general way, once they were asked for. */
  whole: readonly Decoded[] | undefined
}

export class PlainUsage {
  readonly #identity = new Uint32Array(identityWords)
  readonly #content = new Uint32Array(contentWords)
  /** Of the event under way, by reading. */
  readonly #quantities: Scaled[] = []
  /** The same in whole units; -1: they are none, or too many, and `#quantities` has them. */
  readonly #units: number[] = []
  /** By target of its route: what the amount grows by, scaled; NaN: as the totals say. */
  readonly #growths: number[] = []
  /** By target of its route: all that was used, and what is owed for it. */
  readonly #totals: Scaled[] = []
  readonly #owed: Scaled[] = []
  readonly #row = new PlainRow()
  #customers = new Int32Array(firstCapacity)
  /** Of no use but to keep the looks into memory from being left out. */
  warmth = 0
  #catalog: PriceBook['catalog'] | undefined
  #types: readonly PlainType[] = []
  #scanner = new UsageScanner(new ScanLayout([]))

  /** Places every event of a message of usage; what else it may hold is refused. */
  place(batch: Batch, message: InputMessage): void {
    this.#use(batch.book.catalog)
    const { bytes, contentType, refusal } = message
    const scan = refusal === undefined ? this.#scanner.scan(bytes, contentType) : undefined
    if (scan === undefined || scan.count === 0) {
      placeUsage(batch, admitUsage(batch, decodeMessages([message])))
      return
    }
    const { arrivedAtMs } = message
    const course: Course = { batch, message, scan, day: dayOf(arrivedAtMs), whole: undefined }
    const customers = this.#findCustomers(batch, scan)
    for (let event = 0; event < scan.count; event += 1) {
      const customer = isOrdinary(course, event) ? customerOf(course, event, customers[event]!) : none
      if (customer !== none) this.#admit(course, event, customer)
      else placeUsage(batch, admitUsage(batch, [decodeAt(course, event)]))
    }
  }

  /** The customers that are known already, and a first look at what their events will need (`warm`). */
  #findCustomers({ out, state }: Batch, scan: ScannedEvents): Int32Array {
    const { count } = scan
    if (this.#customers.length < count) this.#customers = new Int32Array(count)
    const customers = this.#customers
    state.routes.customersOf(scan, customers)
    this.warmth += state.dedupe.warm(scan.identity, count)
    this.warmth += state.routes.warm(customers, count, state.maps.charges, out.terms)
    return customers
  }

  #use(catalog: PriceBook['catalog']): void {
    if (catalog === this.#catalog) return
    const { paths, types } = new PlainCatalog(catalog)
    this.#catalog = catalog
    this.#types = types
    this.#scanner = new UsageScanner(new ScanLayout(paths))
  }

  #admit(course: Course, event: number, customer: number): void {
    const { batch, scan } = course
    for (let i = 0; i < identityWords; i += 1) {
      this.#identity[i] = scan.identity[event * identityWords + i]!
    }
    for (let i = 0; i < contentWords; i += 1) this.#content[i] = scan.content[event * contentWords + i]!
    const hasNoTime = Number.isNaN(scan.timeMs[event]!)
    const sighting = batch.state.dedupe.see(this.#identity, this.#content, course.day, hasNoTime)
    if (sighting === 'duplicate') batch.counted('duplicate')
    else if (sighting === 'conflicting') refuseConflict(batch, receivedAt(course, event))
    else this.#placeNew(course, event, customer)
  }

  #placeNew(course: Course, event: number, customer: number): void {
    const { batch, scan } = course
    const type = this.#typeOf(scan, event)
    const match = type === undefined ? undefined : matchEvent(type, scan, event)
    if (type === undefined || match?.meters.length === 0) {
      batch.counted('unmetered')
      return
    }
    if (match?.isPlain === true && this.#readAll(scan, event, match)) {
      const timeMs = timeOf(course, event)
      const known = batch.state.routes.at(customer, match, timeMs)
      const route =
        known === none ? findRoute(batch, customer, match, nsOf(timeMs, scan.timeNanos[event]!)) : known
      if (route !== none && this.#add(batch, route)) {
        this.#rate(course, event, match, route, timeMs)
        return
      }
    }
    placeUsage(batch, [receivedAt(course, event)])
  }

  #typeOf(scan: ScannedEvents, event: number): PlainType | undefined {
    const from = scan.typeFrom[event]!
    const until = scan.typeUntil[event]!
    for (const type of this.#types) if (isSpan(type.bytes, scan.bytes, from, until)) return type
    return undefined
  }

  /** Reads what the meters want; false when something cannot be read plainly. */
  #readAll(scan: ScannedEvents, event: number, { meters, dimensionSlots }: PlainMatch): boolean {
    const first = event * scan.slots
    for (let i = 0; i < dimensionSlots.length; i += 1) {
      if (!isPlainScalar(scan, first + dimensionSlots[i]!)) return false
    }
    for (let i = 0; i < meters.length; i += 1) {
      const { meter, valueSlot } = meters[i]!
      const units = valueSlot === -1 ? 1 : wholeAt(scan, first + valueSlot)
      this.#units[i] = units
      if (units >= 0) continue
      const quantity = quantityAt(scan, first + valueSlot)
      if (quantity === undefined || (!meter.allowNegative && quantity < 0n)) return false
      this.#quantities[i] = quantity
    }
    return true
  }

  /** What the event brings each charge to; false when some amount is too large to run. */
  #add(batch: Batch, route: number): boolean {
    const { maps, routes } = batch.state
    const end = routes.endOfTargets(route)
    for (let target = routes.firstTarget(route), i = 0; target < end; target += 1, i += 1) {
      const serial = routes.chargeSerial(target)
      if (serial === none) continue
      const running = maps.charges.running(serial)
      if (running === undefined) return false
      const reading = routes.reading(target)
      const rater = routes.rater(target)
      const units = this.#units[reading]!
      const growth =
        units >= 0 && rater.linear !== undefined
          ? growthOf(rater.linear, running.units(serial), units)
          : Number.NaN
      this.#growths[i] = growth
      if (!Number.isNaN(growth)) continue
      const total = running.total(serial) + this.#quantityOf(reading)
      const owed = amountOfTotal(rater, total)
      if (isLarge(total) || isLarge(owed)) return false
      this.#totals[i] = total
      this.#owed[i] = owed
    }
    return true
  }

  #rate(
    { batch, message, scan }: Course,
    event: number,
    match: PlainMatch,
    route: number,
    timeMs: number,
  ): void {
    const { routes } = batch.state
    const row = this.#row
    row.beginEvent(scan, event, timeMs, scan.timeNanos[event]!, message.arrivedAtMs)
    batch.counted('rated')
    const end = routes.endOfTargets(route)
    for (let target = routes.firstTarget(route), i = 0; target < end; target += 1, i += 1) {
      const serial = routes.chargeSerial(target)
      const reading = routes.reading(target)
      this.#putQuantity(reading)
      if (serial === none) row.amount = 0n
      else this.#moveOn(batch, serial, reading, i, timeMs)
      row.terms = routes.terms(target)
      row.putReading(scan, event, match.meters[reading]!)
      batch.out.ratedPlain(row)
      row.sameEvent = true
    }
  }

  #quantityOf(reading: number): Scaled {
    const units = this.#units[reading]!
    return units >= 0 ? BigInt(units) * scaledOne : this.#quantities[reading]!
  }

  #putQuantity(reading: number): void {
    const units = this.#units[reading]!
    if (units < 0) this.#row.quantity = this.#quantities[reading]!
    else {
      this.#row.quantity = undefined
      putWhole(units, this.#row.quantityWords)
    }
  }

  /** Brings a charge to what `#add` found, and the amount that this makes into the row. */
  #moveOn(batch: Batch, serial: number, reading: number, i: number, timeMs: number): void {
    const running = batch.state.maps.charges.running(serial)
    if (running === undefined) throw new Error(`The charge ${serial} does not run.`)
    const growth = this.#growths[i]!
    const units = this.#units[reading]!
    if (Number.isNaN(growth)) {
      const owed = this.#owed[i]!
      this.#row.amount = owed - running.emitted(serial)
      running.add(serial, timeMs, this.#totals[i]!, owed, units >= 0)
    } else {
      this.#row.amount = undefined
      putScaled(growth, this.#row.amountWords)
      running.grow(serial, timeMs, units, growth)
    }
  }
}

/** Beyond this the general way decides, which knows the limit of 38 digits. */
const largest = 1n << 120n

function isLarge(amount: Scaled): boolean {
  return amount > largest || amount < -largest
}

function wholeAt(scan: ScannedEvents, at: number): number {
  const kind = scan.valueKind[at]
  if (kind !== valueKinds.number && kind !== valueKinds.text) return -1
  return plainWhole(scan.bytes, scan.valueFrom[at]!, scan.valueUntil[at]!)
}

/** Undefined when the value is not written plainly; a missing one and one that is no number are refused elsewhere. */
function quantityAt(scan: ScannedEvents, at: number): Scaled | undefined {
  const kind = scan.valueKind[at]
  if (kind !== valueKinds.number && kind !== valueKinds.text) return undefined
  return plainQuantity(scan.bytes, scan.valueFrom[at]!, scan.valueUntil[at]!)
}

function timeOf({ message, scan }: Course, event: number): number {
  const sentMs = scan.timeMs[event]!
  return Number.isNaN(sentMs) ? message.arrivedAtMs : sentMs
}

/** Whether the event is plain, names no subscription and is neither too early nor too late. */
function isOrdinary({ batch, message, scan }: Course, event: number): boolean {
  if (scan.plain[event] === 0 || scan.pinnedFrom[event] !== -1) return false
  const { futureToleranceMs, dedupeHorizonMs } = batch.config.limits
  const sentMs = scan.timeMs[event]!
  if (Number.isNaN(sentMs)) return true
  const { arrivedAtMs } = message
  // In the last millisecond that is allowed, the general way knows.
  return sentMs < arrivedAtMs + futureToleranceMs && sentMs >= arrivedAtMs - dedupeHorizonMs
}

/** The number of the customer, if this partition knows him; `before` is what was known when the message was begun. */
function customerOf({ batch, scan }: Course, event: number, before: number): number {
  if (before !== none) return before
  const { config, state } = batch
  const from = scan.subjectFrom[event]!
  const until = scan.subjectUntil[event]!
  const known = state.routes.customer(scan.bytes, from, until)
  if (known !== none) return known
  const customerId = textOf(scan.bytes, from, until)
  if (!state.maps.customers.has(customerId)) return none
  if (partitionOf(customerId, config.partitions) !== config.partition) return none
  return state.routes.addCustomer(customerId)
}

/** The event as the general way knows it. What is broken in it is told as of the whole message. */
function decodeAt(course: Course, event: number): Decoded {
  const { message, scan } = course
  const bytes = scan.bytes.subarray(scan.from[event], scan.until[event])
  const own = bytes.length === 0 ? undefined : decodeEvent(bytes, message.arrivedAtMs)
  if (own !== undefined) return own
  course.whole ??= decodeMessages([message])
  return course.whole[event]!
}

function receivedAt(course: Course, event: number): ReceivedEvent {
  const decoded = decodeAt(course, event)
  if (decoded.kind === 'refused')
    throw new Error(`An event that is plain was refused: ${decoded.rejection.code}.`)
  return decoded
}
