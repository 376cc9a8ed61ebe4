// normalize: determines what every meter of a usage event's type reads from the columns of its scan. Contract
// section 3.
// Invariants: a value is read or the event is refused, never guessed; the readings are in the order of the
// catalog's meters, so the same event always gives the same readings. After `read` the slots of the match
// hold the texts of the event's rows: equal numbers have one text, however they were written.
// The trick: a plainly written number is read from its digits and stays in the message; only a number written
// in another way becomes a value, whose text is put behind the message.

import type { EventInput } from '../../../schemas/event/event-input.js'
import type { MeterReading } from '../../../schemas/event/metered-event.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import { scalarText, tooManyDigits } from '../../../schemas/json/scalar-text.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { numberOf } from '../../../schemas/money/exact-number.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { nsOf } from '../../../schemas/time.js'
import type { MeteredType, MeterMatch, MeterSlots, PathSlot } from '../scan/meter-slots.js'
import { isPlainText, plainQuantity, plainWhole } from '../scan/plain-number.js'
import { type ScannedEvents, textAt, textOf, textPlaces, valueKinds } from '../scan/scanned-events.js'
import type { UsageScanner } from '../scan/scanner.js'
import type { KeyedEvent } from '../state/metered-event.js'
import { readDerived, refusal } from './derived-value.js'

/** 15 digits before the point. */
const largestSmall = 10n ** 15n * scaledOne
const noNames: readonly string[] = []

export class Normalizer {
  /**
   * By reading of the last event read: its whole units; -1 when it has a fraction or too many units (see
   * `#quantities`).
   */
  readonly units: number[] = []
  /**
   * Whether every reading is far below the limit of 38 digits, which is checked only for events placed as
   * objects.
   */
  isSmall = true
  readonly #quantities: Scaled[] = []
  readonly #scanner: UsageScanner

  constructor(scanner: UsageScanner) {
    this.#scanner = scanner
  }

  /** The meters that want the event, possibly none; or why the event is refused. */
  read(scan: ScannedEvents, event: number, type: MeteredType): MeterMatch | Rejection {
    let match = type.none
    let dimensionNames = noNames
    let readings = 0
    this.isSmall = true
    for (const meter of type.meters) {
      if (meter.filters.length > 0) {
        const passes = this.#passesFilters(scan, event, meter)
        if (typeof passes === 'object') return passes
        if (!passes) continue
      }
      if (meter.dimensionNames !== dimensionNames) {
        dimensionNames = meter.dimensionNames
        for (const dimension of meter.dimensions) {
          if (!this.#settle(scan, event, dimension)) return tooLong(meter, dimension)
        }
      }
      const problem = this.#readValue(scan, event, meter, readings)
      if (problem !== undefined) return problem
      readings += 1
      if (type.all === undefined) match = match.with(meter)
    }
    return type.all ?? match
  }

  quantity(reading: number): Scaled {
    const units = this.units[reading]!
    return units >= 0 ? BigInt(units) * scaledOne : this.#quantities[reading]!
  }

  /** The event that was read last, with all that attach and rate need. */
  meteredEvent(
    scan: ScannedEvents,
    event: number,
    match: MeterMatch,
    arrivedAtMs: number,
    input: EventInput,
  ): KeyedEvent {
    const text = (place: number): string => textAt(scan, event, place)
    const source = text(textPlaces.source)
    const id = text(textPlaces.id)
    const timeMs = scan.timeMs[event]!
    return {
      key: compositeKey(source, id),
      source,
      id,
      type: match.type,
      customerId: text(textPlaces.subject),
      timeNs: Number.isNaN(timeMs) ? nsOf(arrivedAtMs) : nsOf(timeMs, scan.timeNanos[event]!),
      ingestedAtMs: arrivedAtMs,
      pinnedSubscriptionId: text(textPlaces.subscriptionid),
      correlationId: text(textPlaces.correlationid),
      traceparent: text(textPlaces.traceparent),
      input,
      readings: this.#readings(scan, event, match),
    }
  }

  /** Meters of one event mostly have the same dimensions, so they share one map. */
  #readings(scan: ScannedEvents, event: number, { meters }: MeterMatch): MeterReading[] {
    let names: readonly string[] | undefined
    let dimensions: ReadonlyMap<string, string> = new Map()
    return meters.map((meter, reading) => {
      if (meter.dimensionNames !== names) {
        names = meter.dimensionNames
        dimensions = dimensionsOf(scan, event, meter)
      }
      const text = meter.value === undefined ? '1' : slotText(scan, event, meter.value)!
      return { meter: meter.meter.meter, quantity: this.quantity(reading), text, dimensions }
    })
  }

  #passesFilters(scan: ScannedEvents, event: number, meter: MeterSlots): boolean | Rejection {
    for (const filter of meter.filters) {
      if (!this.#settle(scan, event, filter)) return tooLong(meter, filter)
      const text = slotText(scan, event, filter)
      if (filter.accepted === undefined) {
        if (!filter.passes(text)) return false
      } else if (text === undefined || !filter.accepted.has(text)) return false
    }
    return true
  }

  /**
   * Replaces the text in a slot by the canonical text of its value; false when the number has too many
   * digits.
   */
  #settle(scan: ScannedEvents, event: number, { slot }: PathSlot): boolean {
    const place = event * scan.slots + slot
    if (scan.valueKind[place] !== valueKinds.number) return true
    const from = scan.valueFrom[place]!
    const until = scan.valueUntil[place]!
    if (isPlainText(scan.bytes, from, until)) return true
    const text = scalarText(numberOf(textOf(scan.bytes, from, until)))
    if (text === undefined || text === tooManyDigits) return false
    this.#scanner.putValue(place, text)
    scan.valueKind[place] = valueKinds.text
    return true
  }

  #readValue(scan: ScannedEvents, event: number, meter: MeterSlots, reading: number): Rejection | undefined {
    const { value } = meter
    this.units[reading] = 1
    if (value === undefined) return undefined
    const place = event * scan.slots + value.slot
    const kind = scan.valueKind[place]
    if (meter.readsText) {
      if (meter.derived !== undefined) return this.#readDerived(scan, event, meter, reading)
      if (kind === valueKinds.missing || kind === valueKinds.other)
        return refusal('invalid_value', meter, value, 'is not a text, number or boolean')
      return this.#settle(scan, event, value) ? undefined : tooLong(meter, value)
    }
    if (kind !== valueKinds.number && kind !== valueKinds.text) {
      const problem = kind === valueKinds.missing ? 'is missing' : 'is not a number'
      return refusal('invalid_value', meter, value, problem)
    }
    const from = scan.valueFrom[place]!
    const until = scan.valueUntil[place]!
    const units = plainWhole(scan.bytes, from, until)
    this.units[reading] = units
    if (units >= 0) return undefined
    const quantity = plainQuantity(scan.bytes, from, until)
    if (quantity === undefined) return this.#readExactly(scan, place, meter, value, reading)
    return this.#keepQuantity(meter, value, reading, quantity)
  }

  #readDerived(
    scan: ScannedEvents,
    event: number,
    meter: MeterSlots,
    reading: number,
  ): Rejection | undefined {
    const quantity = readDerived(scan, this.#scanner, event, meter, meter.derived!)
    if (typeof quantity === 'object') return quantity
    if (quantity > largestSmall || quantity < -largestSmall) this.isSmall = false
    this.units[reading] = -1
    this.#quantities[reading] = quantity
    return undefined
  }

  /** Handles a number that is not written as a plain decimal. */
  #readExactly(
    scan: ScannedEvents,
    place: number,
    meter: MeterSlots,
    value: PathSlot,
    reading: number,
  ): Rejection | undefined {
    const written = textOf(scan.bytes, scan.valueFrom[place]!, scan.valueUntil[place]!)
    const parsed = parseDecimal(scan.valueKind[place] === valueKinds.text ? written : numberOf(written))
    if (parsed.kind === 'invalid_value') return refusal('invalid_value', meter, value, 'is not a number')
    if (parsed.kind === 'value_out_of_range') {
      return refusal(
        'value_out_of_range',
        meter,
        value,
        'has more than 26 digits before or 12 after the point',
      )
    }
    if (parsed.value > largestSmall || parsed.value < -largestSmall) this.isSmall = false
    this.#scanner.putValue(place, formatScaled(parsed.value))
    return this.#keepQuantity(meter, value, reading, parsed.value)
  }

  #keepQuantity(
    meter: MeterSlots,
    value: PathSlot,
    reading: number,
    quantity: Scaled,
  ): Rejection | undefined {
    this.#quantities[reading] = quantity
    const isRefused = quantity < 0n && !meter.meter.allowNegative
    return isRefused ? refusal('negative_value', meter, value, 'is negative') : undefined
  }
}

/** Undefined for a value that is not a scalar. */
function slotText(scan: ScannedEvents, event: number, { slot }: PathSlot): string | undefined {
  const place = event * scan.slots + slot
  const kind = scan.valueKind[place]
  if (kind === valueKinds.missing || kind === valueKinds.other) return undefined
  return textOf(scan.bytes, scan.valueFrom[place]!, scan.valueUntil[place]!)
}

function dimensionsOf(scan: ScannedEvents, event: number, meter: MeterSlots): ReadonlyMap<string, string> {
  const dimensions = new Map<string, string>()
  meter.dimensions.forEach((dimension, i) => {
    const text = slotText(scan, event, dimension)
    if (text !== undefined) dimensions.set(meter.dimensionNames[i]!, text)
  })
  return dimensions
}

function tooLong(meter: MeterSlots, at: PathSlot): Rejection {
  return refusal('value_out_of_range', meter, at, 'has more than 38 digits, or 12 after the point')
}
