// Turns usage from columns into rows. Every event is admitted, checked for duplicates and read by its meters
// from the columns. If its values are only added to running totals, it is rated without an object, and what
// was looked up for its customer is kept for the customer's next event (find-route.ts). For every other event
// an object is made of the columns, and placeEvent decides.
// Invariant: rating on running totals changes nothing in what becomes of an event; a test sends the same
// events both ways.

import { amountOfTotal } from '../../../rating/charges/rate.js'
import { growthOf } from '../../../rating/models/linear.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import { compositeKey, partitionOf } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { putScaled, putWhole } from '../../../schemas/money/decimal-words.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { nsOf } from '../../../schemas/time.js'
import {
  type Decoded,
  decodeEvent,
  decodeMessages,
  type InputMessage,
  type ReceivedEvent,
} from '../decode/decode.js'
import { Normalizer } from '../rate/normalize.js'
import { placeReceived } from '../re-rate/amend.js'
import { duplicate, filteredOut, noMeter, type Outcome } from '../rows/outcome.js'
import { PlainRow } from '../rows/plain-row.js'
import { ScanLayout } from '../scan/layout.js'
import { MeterCatalog, type MeteredType, MeterMatch } from '../scan/meter-slots.js'
import { type ScannedEvents, textOf, textPlaces, textWords } from '../scan/scanned-events.js'
import { UsageScanner } from '../scan/scanner.js'
import type { KeyedEvent } from '../state/metered-event.js'
import type { PriceBook } from '../state/price-book.js'
import { isSpan, none } from '../state/usage-routes.js'
import { isAdmissible, refuseConflict } from '../step/admit.js'
import { dayOf } from '../step/dedupe.js'
import type { Step } from '../step/step.js'
import { findRoute } from './find-route.js'

const identityWords = 4
const contentWords = 2
const firstCapacity = 1024
/** The number given to a customer of another partition. */
const elsewhere = -2

/** The events of one scan while they are placed. */
interface Placement {
  readonly step: Step
  readonly scan: ScannedEvents
  readonly arrivedAtMs: number
  readonly input: EventInput
  readonly message: InputMessage | undefined
  /** All events of the message as the parser reads them, once they have been requested. */
  whole: readonly Decoded[] | undefined
}

export class UsagePlacer {
  readonly #identity = new Uint32Array(identityWords)
  readonly #content = new Uint32Array(contentWords)
  /** By target of the route: the increase of the amount, scaled; NaN when the totals must tell it. */
  readonly #growths: number[] = []
  /** By target of the route: the total usage, and the amount owed for it. */
  readonly #totals: Scaled[] = []
  readonly #owed: Scaled[] = []
  readonly #row = new PlainRow()
  #customers = new Int32Array(firstCapacity)
  /** The sum of all prefetched words; it keeps the reads from being optimized away. */
  prefetched = 0
  #catalog: PriceBook['catalog'] | undefined
  #types: readonly MeteredType[] = []
  #scanner = new UsageScanner(new ScanLayout([]))
  #normalizer = new Normalizer(this.#scanner)

  /** Places every event of a usage message; anything else in the message is refused. */
  place(step: Step, message: InputMessage): void {
    this.#use(step.book.catalog)
    const { arrivedAtMs, bytes, contentType, refusal } = message
    const scan = refusal === undefined ? this.#scanner.scan(bytes, contentType) : undefined
    if (scan === undefined || scan.count === 0) {
      for (const decoded of decodeMessages([message])) {
        if (isAdmissible(step, decoded, 'METERING')) this.#placeParsed(step, decoded, false)
      }
      return
    }
    const input: EventInput = { stream: 'METERING', sequence: message.seq }
    const placement: Placement = { step, scan, arrivedAtMs, input, message, whole: undefined }
    const customers = this.#findCustomers(step, scan)
    for (let event = 0; event < scan.count; event += 1) this.#admit(placement, event, customers[event]!)
  }

  /** Places events that were admitted and are not duplicates. */
  placeAdmitted(step: Step, usage: readonly ReceivedEvent[]): void {
    this.#use(step.book.catalog)
    for (const received of usage) this.#placeParsed(step, received, true)
  }

  #placeParsed(step: Step, received: ReceivedEvent, isNew: boolean): void {
    const scan = this.#scanner.scanParsed(received.event)
    const { arrivedAtMs, input } = received
    const placement: Placement = { step, scan, arrivedAtMs, input, message: undefined, whole: [received] }
    const customer = customerOf(placement, 0, none)
    if (isNew || this.#isNew(placement, 0)) this.#placeNew(placement, 0, customer)
  }

  /** Finds the customers that have a number, and prefetches what their events will need. */
  #findCustomers({ out, state }: Step, scan: ScannedEvents): Int32Array {
    const { count } = scan
    if (this.#customers.length < count) this.#customers = new Int32Array(count)
    const customers = this.#customers
    state.routes.customersOf(scan, customers)
    this.prefetched += state.dedupe.prefetch(scan.identity, count)
    this.prefetched += state.routes.prefetch(customers, count, state.maps.charges, out.terms)
    return customers
  }

  #use(catalog: PriceBook['catalog']): void {
    if (catalog === this.#catalog) return
    const { paths, types } = new MeterCatalog(catalog)
    this.#catalog = catalog
    this.#types = types
    this.#scanner = new UsageScanner(new ScanLayout(paths))
    this.#normalizer = new Normalizer(this.#scanner)
  }

  /**
   * Parses every event that is not certainly valid, in time, in our partition and looked at by nobody, and refuses
   * it if the parser finds a fault.
   */
  #admit(placement: Placement, event: number, before: number): void {
    const isPlain = placement.scan.plain[event] === 1
    let customer = isPlain ? customerOf(placement, event, before) : elsewhere
    if (customer === elsewhere || !isTimely(placement, event) || isLookedAt(placement, event)) {
      const decoded = decodeAt(placement, event)
      if (!isAdmissible(placement.step, decoded, 'METERING')) return
      if (!isPlain) {
        this.#scanner.putParsed(event, decoded.event)
        customer = customerOf(placement, event, none)
      }
    }
    if (this.#isNew(placement, event)) this.#placeNew(placement, event, customer)
  }

  #isNew(placement: Placement, event: number): boolean {
    const { arrivedAtMs, step, scan } = placement
    for (let i = 0; i < identityWords; i += 1) {
      this.#identity[i] = scan.identity[event * identityWords + i]!
    }
    for (let i = 0; i < contentWords; i += 1) this.#content[i] = scan.content[event * contentWords + i]!
    // As dedupeEvents does it.
    const isForever = Number.isNaN(scan.timeMs[event]!) || scan.stamped[event] === 1
    const sighting = step.state.dedupe.see(this.#identity, this.#content, dayOf(arrivedAtMs), isForever)
    if (sighting === 'duplicate') countWithoutRows(placement, event, duplicate)
    else if (sighting === 'conflicting') refuseConflict(step, receivedAt(placement, event))
    return sighting === 'new'
  }

  #placeNew(placement: Placement, event: number, customer: number): void {
    const { arrivedAtMs, input, step, scan } = placement
    const type = this.#typeOf(scan, event)
    const read = type === undefined ? undefined : this.#normalizer.read(scan, event, type)
    if (read !== undefined && !(read instanceof MeterMatch)) placeUnread(placement, event, read)
    else if (read === undefined) countWithoutRows(placement, event, noMeter)
    else if (read.meters.length === 0) countWithoutRows(placement, event, filteredOut)
    else if (!this.#isAddedUp(placement, event, read, customer)) {
      const metered = this.#normalizer.meteredEvent(scan, event, read, arrivedAtMs, input)
      placeReceived(step, metered, () => receivedAt(placement, event).raw)
    }
  }

  /** Rates the event on running totals, if its customer's prices need nothing more. */
  #isAddedUp(placement: Placement, event: number, match: MeterMatch, customer: number): boolean {
    const { step, scan } = placement
    const pinnedFrom = scan.texts[event * textWords + textPlaces.subscriptionid * 2]
    if (customer === none || pinnedFrom !== -1 || !match.isAddedUp || !this.#normalizer.isSmall) return false
    // Mostly nothing was taken back or amended. Another identity with the same word is placed one by one for nothing.
    const { changedIdentities } = step.state
    if (changedIdentities.size > 0 && changedIdentities.has(scan.identity[event * identityWords]!))
      return false
    const timeMs = timeOf(placement, event)
    const known = step.state.routes.at(customer, match, timeMs)
    const route =
      known === none ? findRoute(step, customer, match, nsOf(timeMs, scan.timeNanos[event]!)) : known
    if (route === none || !this.#add(step, route)) return false
    this.#rate(placement, event, match, route, timeMs)
    return true
  }

  #typeOf(scan: ScannedEvents, event: number): MeteredType | undefined {
    const at = event * textWords + textPlaces.type * 2
    const from = scan.texts[at]!
    const until = scan.texts[at + 1]!
    for (const type of this.#types) if (isSpan(type.bytes, scan.bytes, from, until)) return type
    return undefined
  }

  /** Computes each charge after the event; false when an amount is too large for a running total. */
  #add(step: Step, route: number): boolean {
    const { maps, routes } = step.state
    const end = routes.endOfTargets(route)
    for (let target = routes.firstTarget(route), i = 0; target < end; target += 1, i += 1) {
      const serial = routes.chargeSerial(target)
      if (serial === none) continue
      const running = maps.charges.running(serial)
      if (running === undefined) return false
      const reading = routes.reading(target)
      const rater = routes.rater(target)
      const units = this.#normalizer.units[reading]!
      const growth =
        units >= 0 && rater.linear !== undefined
          ? growthOf(rater.linear, running.units(serial), units)
          : Number.NaN
      this.#growths[i] = growth
      if (!Number.isNaN(growth)) continue
      const total = running.total(serial) + this.#normalizer.quantity(reading)
      const owed = amountOfTotal(rater, total)
      if (isLarge(total) || isLarge(owed)) return false
      this.#totals[i] = total
      this.#owed[i] = owed
    }
    return true
  }

  #rate(
    { arrivedAtMs, input, step, scan }: Placement,
    event: number,
    match: MeterMatch,
    route: number,
    timeMs: number,
  ): void {
    const { routes } = step.state
    const row = this.#row
    row.beginEvent(scan, event, timeMs, scan.timeNanos[event]!, arrivedAtMs, input)
    step.counted('rated')
    const end = routes.endOfTargets(route)
    for (let target = routes.firstTarget(route), i = 0; target < end; target += 1, i += 1) {
      const serial = routes.chargeSerial(target)
      const reading = routes.reading(target)
      this.#putQuantity(reading)
      if (serial === none) row.amount = 0n
      else this.#moveOn(step, serial, reading, i, timeMs)
      row.terms = routes.terms(target)
      row.putReading(scan, event, match.meters[reading]!)
      step.out.ratedPlain(row)
      row.sameEvent = true
    }
  }

  #putQuantity(reading: number): void {
    const units = this.#normalizer.units[reading]!
    if (units < 0) this.#row.quantity = this.#normalizer.quantity(reading)
    else {
      this.#row.quantity = undefined
      putWhole(units, this.#row.quantityWords)
    }
  }

  /** Sets a charge to the totals that `#add` found, and writes the resulting amount into the row. */
  #moveOn(step: Step, serial: number, reading: number, i: number, timeMs: number): void {
    const running = step.state.maps.charges.running(serial)
    if (running === undefined) throw new Error(`The charge ${serial} does not run.`)
    const growth = this.#growths[i]!
    const units = this.#normalizer.units[reading]!
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

/** Larger amounts go to placeEvent, which enforces the limit of 38 digits. */
const largest = 1n << 120n

function isLarge(amount: Scaled): boolean {
  return amount > largest || amount < -largest
}

/** Counts an event that has no row in rated_usage. */
function countWithoutRows(placement: Placement, event: number, outcome: Outcome): void {
  placement.step.counted(outcome.disposition)
  placement.step.out.outcomeScanned(placement, event, timeOf(placement, event), outcome)
}

function timeOf({ arrivedAtMs, scan }: Placement, event: number): number {
  const sentMs = scan.timeMs[event]!
  return Number.isNaN(sentMs) ? arrivedAtMs : sentMs
}

/**
 * Whether the event is certainly neither too early nor too late; in the last allowed millisecond the parser
 * decides.
 */
function isTimely({ arrivedAtMs, step, scan }: Placement, event: number): boolean {
  const { futureToleranceMs, dedupeHorizonMs } = step.config.limits
  const sentMs = scan.timeMs[event]!
  if (Number.isNaN(sentMs)) return true
  return sentMs < arrivedAtMs + futureToleranceMs && sentMs >= arrivedAtMs - dedupeHorizonMs
}

/** Whether events of this type have a schema or may have a personal field, which the parser looks at. */
function isLookedAt({ step, scan }: Placement, event: number): boolean {
  if (step.personal.isEmpty && step.schemas.isEmpty) return false
  const at = event * textWords + textPlaces.type * 2
  const type = textOf(scan.bytes, scan.texts[at]!, scan.texts[at + 1]!)
  return step.schemas.concerns(type) || step.personal.rulesOf(type).length > 0
}

/**
 * The customer's number; `none` for a customer of ours without any state. `before`: what was known when the
 * scan began.
 */
function customerOf({ step, scan }: Placement, event: number, before: number): number {
  if (before !== none) return before
  const { config, state } = step
  const from = scan.subjectFrom[event]!
  const until = scan.subjectUntil[event]!
  const known = state.routes.customer(scan.bytes, from, until)
  if (known !== none) return known
  const customerId = textOf(scan.bytes, from, until)
  if (partitionOf(customerId, config.partitions) !== config.partition) return elsewhere
  return state.maps.customers.has(customerId) ? state.routes.addCustomer(customerId) : none
}

/** The event as the parser reads it. Faults are reported as parsing the whole message reports them. */
function decodeAt(placement: Placement, event: number): Decoded {
  const { arrivedAtMs, input, message, scan } = placement
  const bytes = scan.bytes.subarray(scan.from[event], scan.until[event])
  const own = bytes.length === 0 ? undefined : decodeEvent(bytes, arrivedAtMs, input)
  if (own !== undefined) return own
  placement.whole ??= decodeMessages(message === undefined ? [] : [message])
  return placement.whole[event]!
}

/** Refuses an event whose content its meters cannot read. */
function placeUnread(placement: Placement, event: number, rejection: Rejection): void {
  const received = receivedAt(placement, event)
  const { source, id, type, subject, timeNs, subscriptionId, correlationId, traceparent } = received.event
  const unread: KeyedEvent = {
    key: compositeKey(source, id),
    source,
    id,
    type,
    customerId: subject,
    timeNs,
    ingestedAtMs: received.arrivedAtMs,
    input: received.input,
    pinnedSubscriptionId: subscriptionId ?? '',
    correlationId,
    traceparent,
    readings: [],
  }
  placeReceived(placement.step, unread, () => received.raw, rejection)
}

function receivedAt(placement: Placement, event: number): ReceivedEvent {
  const decoded = decodeAt(placement, event)
  if (decoded.kind === 'refused')
    throw new Error(`An event that was admitted is refused: ${decoded.rejection.code}.`)
  return decoded
}
