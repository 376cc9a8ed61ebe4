// `percentage`: rate per cent x (units beyond the free) + fixed amount x (events beyond the free), by time.
// After Lago, "Percentage" (guide, charge models). Worked example: rate 1.2 %, fixed 0.10, 3 free events or 500 free units. Events of 200,
// 100, 150, 100 and 50: the first three are free (450 units, within both); fee of the fourth 100 x 1.2 % + 0.1 = 1.3
// (free units are the smaller of 500 and the 450 of the first three events), of the fifth 0.7; amount 2.
//
// The rules, for events in order of time with running total R:
// - Free units F: the smaller of `free_units` and R after the first `free_events` events; one of them set: that one;
//   neither: 0. Chargeable units: R - F.
// - The fixed amount of an event is free while R, that event included, stays within `free_units` and the number of
//   events within `free_events`; once one went beyond, none after it is free. Neither set: none is free.
// - With a per-event minimum or maximum each event's fee is clamped: first up to the minimum, then down to the maximum.
//   An event that is free altogether has no fee: its fixed amount is free (or there is none and `included` covers its
//   units) and no unit of it is chargeable.
// Beyond `sum` and `count` an event's units are what it adds to the aggregated quantity when events come in by time.
// A negative event takes from R; its fee follows the same rules and may be negative. Scale: amounts / 10^26.

import type { Percentage } from '../../../schemas/catalog/models/percentage.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { beyondIncluded } from '../included.js'
import type { Scale } from '../scale.js'

/** `rate` is in per cent, so an amount has two digits more than with the other models. */
export const percentageScale = 100n * scaledOne

/** The model's fields at the scale of quantities and amounts. Undefined: not set. */
export interface PercentageTerms {
  readonly rate: Scaled
  readonly fixed: bigint
  readonly freeUnits: bigint | undefined
  readonly freeEvents: number | undefined
  readonly minimum: bigint | undefined
  readonly maximum: bigint | undefined
  readonly clamped: boolean
  readonly included: bigint
}

/** The state of the walk through the events in order of time. */
export interface PercentageWalk {
  events: number
  /** No event yet went beyond what is free. */
  free: boolean
  eventsFree: number
  freeUnits: bigint
  /** Aggregated quantity so far, before `included`. */
  gross: bigint
  chargeable: bigint
  /** Sum of the clamped fees. */
  fees: bigint
}

export function compilePercentage(model: Percentage, scale: Scale, included: bigint): PercentageTerms {
  const { denominator } = scale
  const amount = (value: Scaled): bigint => value * percentageScale * denominator
  const { freeUnits, perEventMinimum, perEventMaximum } = model
  return {
    rate: model.rate,
    fixed: amount(model.fixedAmount ?? 0n),
    freeUnits: freeUnits === undefined ? undefined : freeUnits * denominator,
    freeEvents: model.freeEvents,
    minimum: perEventMinimum === undefined ? undefined : amount(perEventMinimum),
    maximum: perEventMaximum === undefined ? undefined : amount(perEventMaximum),
    clamped: perEventMinimum !== undefined || perEventMaximum !== undefined,
    included,
  }
}

/** `gross`: the aggregated quantity before any event (a level carried over). */
export function startWalk(terms: PercentageTerms, gross: bigint): PercentageWalk {
  const units = beyondIncluded(gross, terms.included)
  const freeUnits = freeUnitsAfter(terms, 0, units, 0n)
  const chargeable = beyondFree(units, freeUnits)
  return { events: 0, free: true, eventsFree: 0, freeUnits, gross, chargeable, fees: terms.rate * chargeable }
}

/** Takes in the next event by time; `gross` is the aggregated quantity with it. */
export function walkEvent(terms: PercentageTerms, walk: PercentageWalk, gross: bigint): void {
  const units = beyondIncluded(gross, terms.included)
  walk.events += 1
  walk.free = walk.free && isWithinFree(terms, walk.events, units)
  if (walk.free) walk.eventsFree += 1
  walk.freeUnits = freeUnitsAfter(terms, walk.events, units, walk.freeUnits)
  const chargeable = beyondFree(units, walk.freeUnits)
  if (terms.clamped) {
    const added = chargeable - walk.chargeable
    const covered = gross > walk.gross && terms.included > 0n
    const freeAltogether = added === 0n && (walk.free || (covered && terms.fixed === 0n))
    if (!freeAltogether) walk.fees += clampedFee(terms, added, walk.free ? 0n : terms.fixed)
  }
  walk.gross = gross
  walk.chargeable = chargeable
}

/** Amount without clamps from totals alone: rate x units beyond the free + fixed x events beyond the free. */
export function unclampedAmount(
  terms: PercentageTerms,
  walk: PercentageWalk,
  gross: bigint,
  events: number,
): bigint {
  const chargeable = beyondFree(beyondIncluded(gross, terms.included), walk.freeUnits)
  return terms.rate * chargeable + terms.fixed * BigInt(events - walk.eventsFree)
}

function clampedFee(terms: PercentageTerms, chargeable: bigint, fixed: bigint): bigint {
  let fee = terms.rate * chargeable + fixed
  if (terms.minimum !== undefined && fee < terms.minimum) fee = terms.minimum
  if (terms.maximum !== undefined && fee > terms.maximum) fee = terms.maximum
  return fee
}

/** The fee of an event that comes after all that is free. */
export function fullFee(terms: PercentageTerms, units: bigint): bigint {
  return clampedFee(terms, units, terms.fixed)
}

function isWithinFree(terms: PercentageTerms, events: number, units: bigint): boolean {
  const { freeUnits, freeEvents } = terms
  if (freeUnits === undefined && freeEvents === undefined) return false
  return (freeEvents === undefined || events <= freeEvents) && (freeUnits === undefined || units <= freeUnits)
}

function freeUnitsAfter(terms: PercentageTerms, events: number, units: bigint, before: bigint): bigint {
  const { freeUnits, freeEvents } = terms
  if (freeEvents === undefined) return freeUnits ?? 0n
  if (events > freeEvents) return before
  const reached = freeUnits !== undefined && units > freeUnits ? freeUnits : units
  return reached > 0n ? reached : 0n
}

function beyondFree(units: bigint, freeUnits: bigint): bigint {
  if (units > freeUnits) return units - freeUnits
  return units < 0n ? units : 0n
}
