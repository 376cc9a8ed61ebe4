// `percentage`: what is free, what is chargeable, rate and fixed amounts; with per-event bounds each event's fee.
// The walk through the events is the model's own (walk.ts, where the rules are); this file reports its results.
// Totals of events that are no longer kept one by one are lines of their own.

import type { Percentage } from '../../../schemas/catalog/models/percentage.js'
import { type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { explainQuantity } from '../../aggregations/explain-quantity.js'
import { aggregationDenominator, aggregatorOfMeter, isAdditiveState } from '../../aggregations/registry.js'
import { idOf } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
import { explainIncluded, type Part } from '../../steps/part-of-period.js'
import {
  greater,
  isAbove,
  lesser,
  minus,
  ofScaled,
  over,
  plus,
  type Ratio,
  ratio,
  times,
  zero,
} from '../../steps/ratio.js'
import {
  count,
  money,
  quantity,
  type Step,
  type StepValue,
  scaledMoney,
  scaledQuantity,
  sumStep,
  text,
} from '../../steps/step.js'
import { beyondIncluded } from '../included.js'
import type { Used } from '../model.js'
import type { Scale } from '../scale.js'
import { loggedAggregation, type PercentageUsage, sampleAt } from './usage.js'
import {
  compilePercentage,
  type PercentageTerms,
  type PercentageWalk,
  percentageScale,
  startWalk,
  walkEvent,
} from './walk.js'

/** The state of the walk after an event (the first entry: before any event). */
interface Stand {
  readonly free: boolean
  /** Beyond `included`. */
  readonly units: Ratio
  readonly chargeable: Ratio
  readonly fees: Ratio
}

interface Walked {
  readonly walk: PercentageWalk
  readonly stands: readonly Stand[]
}

/** More events than these are given as one sum. */
const listedEvents = 50

type UsedEvents = Used<Percentage, PercentageUsage>

interface PercentageInput extends UsedEvents {
  /** Of the charge, beyond `included`. */
  readonly units: Ratio
}

export function explainEvents(steps: Step[], { basis, usage, levels, events }: UsedEvents): Ratio {
  const logged = loggedAggregation(basis, usage)
  // Where events are added up, the later ones are remembered as a total.
  const state = isAdditiveState(logged) ? { ...logged, total: usage.headTotal + usage.tailTotal } : logged
  return explainQuantity(steps, basis, { state, level: levels?.get(0) ?? 0n, events, cell: '' })
}

export function explainPercentage(steps: Step[], used: UsedEvents, quantity: Ratio, part: Part): Ratio {
  const { basis, model } = used
  const { included } = basis.price
  const input = { ...used, units: explainIncluded(steps, included, part, quantity) }
  const scale = scaleOf(basis)
  const terms = compilePercentage(model, scale, included * scale.prorated)
  const walked = walkThrough(input, terms, scale)
  if (terms.clamped) return explainFees(steps, input, terms, walked)
  const parts = [explainRate(steps, input, walked)]
  if (model.fixedAmount !== undefined && model.fixedAmount !== 0n) {
    parts.push(explainFixed(steps, input, model.fixedAmount, walked))
  }
  return sumStep(steps, 'model', 'percentage', 'part', parts, money)
}

/** The scale in which the events are walked through. */
function scaleOf(basis: ChargeBasis): Scale {
  const quantityDenominator = aggregationDenominator(basis)
  const { numerator, denominator } = basis.price.prorate ? basis.fraction : { numerator: 1n, denominator: 1n }
  return { denominator: quantityDenominator * denominator, prorated: quantityDenominator * numerator }
}

function walkThrough({ basis, usage, levels }: UsedEvents, terms: PercentageTerms, scale: Scale): Walked {
  const { head } = usage
  const level = levels?.get(0) ?? 0n
  const factor = scale.denominator / aggregationDenominator(basis)
  const aggregator = aggregatorOfMeter(basis.meter)
  const state = aggregator.start()
  const walk = startWalk(terms, aggregator.total(state, basis, level) * factor)
  const stand = (): Stand => ({
    free: walk.free,
    units: ratio(beyondIncluded(walk.gross, terms.included), scale.denominator * scaledOne),
    chargeable: ratio(walk.chargeable, scale.denominator * scaledOne),
    fees: ratio(walk.fees, scale.denominator * scaledOne * percentageScale),
  })
  const stands = [stand()]
  for (let at = 0; at < head.times.length; at += 1) {
    aggregator.add(state, sampleAt(head, at), basis.fromNs)
    walkEvent(terms, walk, aggregator.total(state, basis, level) * factor)
    stands.push(stand())
  }
  return { walk, stands }
}

function explainRate(steps: Step[], input: PercentageInput, walked: Walked): Ratio {
  const { model, units } = input
  const free = explainFreeUnits(steps, input, walked)
  let chargeable = units
  if (free !== undefined) {
    chargeable = isAbove(units, free) ? minus(units, free) : lesser(units, zero)
    steps.push({
      what: 'chargeable_units',
      label: 'units beyond the free',
      // A free quantity never makes what is chargeable negative, and leaves it alone where it is.
      formula: isAbove(zero, units) ? 'units' : 'max(units - free_units, 0)',
      values: { units: quantity(units), free_units: quantity(free) },
      result: quantity(chargeable),
    })
  }
  const result = rateOf(model, chargeable)
  steps.push({
    what: 'rate',
    label: 'rate, per cent',
    formula: 'chargeable_units * rate / 100',
    values: { chargeable_units: quantity(chargeable), rate: scaledQuantity(model.rate) },
    result: money(result),
  })
  return result
}

/** Undefined: nothing is free. */
function explainFreeUnits(
  steps: Step[],
  { model, usage }: PercentageInput,
  walked: Walked,
): Ratio | undefined {
  const { freeEvents } = model
  const freeUnits = model.freeUnits === undefined ? undefined : ofScaled(model.freeUnits)
  if (freeEvents === undefined) return freeUnits
  const { stands } = walked
  // Fewer events are kept one by one than are free: the free units were used up before.
  if (freeUnits !== undefined && usage.tailEvents > 0 && stands.length <= freeEvents) return freeUnits
  const ofFirst = stands[Math.min(freeEvents, stands.length - 1)]!.units
  const reached = freeUnits === undefined ? ofFirst : lesser(freeUnits, ofFirst)
  const result = greater(reached, zero)
  steps.push({
    what: 'free_units',
    label: `free units, of the first ${freeEvents} events`,
    formula: freeUnits === undefined ? 'max(units_of_first, 0)' : 'max(min(free_units, units_of_first), 0)',
    values: {
      free_events: count(freeEvents),
      ...(freeUnits === undefined ? {} : { free_units: quantity(freeUnits) }),
      units_of_first: quantity(ofFirst),
    },
    result: quantity(result),
  })
  return result
}

function explainFixed(steps: Step[], { usage }: PercentageInput, fixed: Scaled, { walk }: Walked): Ratio {
  const events = walk.events + usage.tailEvents
  const chargeable = events - walk.eventsFree
  steps.push({
    what: 'chargeable_events',
    label: 'events beyond the free',
    formula: 'events - free_events',
    values: { events: count(events), free_events: count(walk.eventsFree) },
    result: count(chargeable),
  })
  const result = times(ratio(BigInt(chargeable)), ofScaled(fixed))
  steps.push({
    what: 'fixed',
    label: 'fixed amount per event',
    formula: 'chargeable_events * fixed_amount',
    values: { chargeable_events: count(chargeable), fixed_amount: scaledMoney(fixed) },
    result: money(result),
  })
  return result
}

function explainFees(steps: Step[], input: PercentageInput, terms: PercentageTerms, walked: Walked): Ratio {
  const { model, usage } = input
  const { stands } = walked
  const fees: Ratio[] = []
  const carried = stands[0]!
  if (carried.chargeable.numerator !== 0n) {
    steps.push({
      what: 'rate',
      label: 'rate, per cent, of the level carried over',
      formula: 'chargeable_units * rate / 100',
      values: { chargeable_units: quantity(carried.chargeable), rate: scaledQuantity(model.rate) },
      result: money(carried.fees),
    })
    fees.push(carried.fees)
  }
  const listed = Math.min(listedEvents, stands.length - 1)
  for (let at = 1; at <= listed; at += 1) {
    fees.push(explainFee(steps, model, usage.head.keys[at - 1]!, at, stands[at - 1]!, stands[at]!))
  }
  const unlisted = stands.length - 1 - listed + usage.tailEvents
  if (unlisted > 0) {
    const ofHead = minus(stands.at(-1)!.fees, stands[listed]!.fees)
    const rest = plus(ofHead, ratio(usage.tailFees, scaledOne * percentageScale))
    steps.push({
      what: 'event_fees',
      label: `${unlisted} further events${terms.fixed === 0n ? '' : ', fixed amounts included'}`,
      formula: 'fees',
      values: { events: count(unlisted), fees: money(rest) },
      result: money(rest),
    })
    fees.push(rest)
  }
  return sumStep(steps, 'model', 'percentage, event by event', 'fee', fees, money)
}

function explainFee(
  steps: Step[],
  model: Percentage,
  key: string,
  number: number,
  before: Stand,
  after: Stand,
): Ratio {
  const { rate, fixedAmount, perEventMinimum, perEventMaximum } = model
  const chargeable = minus(after.chargeable, before.chargeable)
  const fee = minus(after.fees, before.fees)
  const values: Record<string, StepValue> = {
    event: text(idOf(key)),
    chargeable_units: quantity(chargeable),
    rate: scaledQuantity(rate),
  }
  let formula = 'chargeable_units * rate / 100'
  let bounded = rateOf(model, chargeable)
  if (!after.free && fixedAmount !== undefined && fixedAmount !== 0n) {
    formula += ' + fixed_amount'
    values['fixed_amount'] = scaledMoney(fixedAmount)
    bounded = plus(bounded, ofScaled(fixedAmount))
  }
  if (perEventMinimum !== undefined) {
    formula = `max(${formula}, per_event_minimum)`
    values['per_event_minimum'] = scaledMoney(perEventMinimum)
    bounded = greater(bounded, ofScaled(perEventMinimum))
  }
  if (perEventMaximum !== undefined) {
    formula = `min(${formula}, per_event_maximum)`
    values['per_event_maximum'] = scaledMoney(perEventMaximum)
    bounded = lesser(bounded, ofScaled(perEventMaximum))
  }
  const isFree = fee.numerator === 0n && bounded.numerator !== 0n
  steps.push({
    what: 'event_fee',
    label: `event ${number} by time${isFree ? ', free altogether' : ''}`,
    formula: isFree ? '0' : formula,
    values: isFree ? { event: text(idOf(key)) } : values,
    result: money(fee),
  })
  return fee
}

function rateOf(model: Percentage, chargeable: Ratio): Ratio {
  return over(times(chargeable, ofScaled(model.rate)), ratio(100n))
}
