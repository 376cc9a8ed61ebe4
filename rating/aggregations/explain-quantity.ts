// Explains the quantity of a segment, line by line. Aggregations that remember how it came about (levels by time,
// ranks) write lines of their own.

import { scaledOne } from '../../schemas/money/decimal.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { ofScaled, over, type Ratio, ratio } from '../steps/ratio.js'
import { count, quantity, type Step, type StepValues, scaledQuantity, sumStep, text } from '../steps/step.js'
import type { Quotient } from './aggregation.js'
import type { Level } from './level.js'
import { type AggregationState, aggregatorOfMeter, timeDenominator } from './registry.js'

export interface Aggregated {
  readonly state: AggregationState
  readonly level: Level
  /** Undefined for a cell: events are counted for the whole charge only. */
  readonly events: number | undefined
  /** The matrix cell; empty for the whole charge. */
  readonly cell: string
  /** The price takes the exact fraction of a quantity that is divided by what the usage tells. */
  readonly isExact?: true
}

export function explainQuantity(steps: Step[], basis: ChargeBasis, aggregated: Aggregated): Ratio {
  const { convert } = basis.meter
  const what = aggregated.cell === '' ? 'quantity' : 'cell_quantity'
  if (convert === undefined || convert.round !== undefined) return explainRead(steps, basis, aggregated, what)
  const read = explainRead(steps, basis, aggregated, 'as_read')
  const result = over(read, ofScaled(convert.divideBy))
  const inCell = aggregated.cell === '' ? {} : { cell: text(aggregated.cell) }
  const values = { ...inCell, as_read: quantity(read), divide_by: scaledQuantity(convert.divideBy) }
  steps.push({ what, label: 'converted', formula: 'as_read / divide_by', values, result: quantity(result) })
  return result
}

/** The quantity in the unit of the events. */
function explainRead(
  steps: Step[],
  basis: ChargeBasis,
  { state, level, events, cell, isExact }: Aggregated,
  what: Step['what'],
): Ratio {
  const { aggregation } = basis.meter
  const inCell = cell === '' ? {} : { cell: text(cell) }
  const { explain, total, quotient } = aggregatorOfMeter(basis.meter)
  const found = explain?.(steps, basis, state, level, inCell) ?? state.kind
  const of = events === undefined ? '' : ` of ${events} ${events === 1 ? 'event' : 'events'}`
  const label = `${cell === '' ? 'quantity' : `quantity in ${cell}`}, ${aggregation}${of}`
  const about = {
    aggregation: text(aggregation),
    ...inCell,
    ...(events === undefined ? {} : { events: count(events) }),
  }
  if (typeof found !== 'string') return sumStep(steps, what, label, 'level', found, quantity, about)
  if (isExact && quotient !== undefined)
    return explainQuotient(steps, quotient(state, basis), { what, label, about })
  const result = over(ratio(total(state, basis, level)), ratio(timeDenominator(basis) * scaledOne))
  const values = { ...about, [found]: quantity(result) }
  steps.push({ what, label, formula: found, values, result: quantity(result) })
  return result
}

/** Over and under are told, because the quotient may not end. */
function explainQuotient(
  steps: Step[],
  { over: numerator, under }: Quotient,
  { what, label, about }: { readonly what: Step['what']; readonly label: string; readonly about: StepValues },
): Ratio {
  const sum = ofScaled(numerator)
  const result = over(sum, ratio(under))
  const values = { ...about, sum: quantity(sum), divided_by: quantity(ratio(under)) }
  steps.push({ what, label, formula: 'sum / divided_by', values, result: quantity(result) })
  return result
}
