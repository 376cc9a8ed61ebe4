// `matrix`: a quantity per cell, then each cell's units, less what is included, at its unit amount.
// Formula: ../price-models/matrix.ts. Included units are taken from the cells in the catalog's order, the default last.

import { newAggregation } from '../aggregations/aggregation.js'
import { type Accumulator, levelAtStart, type MatrixUsage } from '../charges/accumulator.js'
import { cellsInOrder } from '../charges/rate.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import { cellUnitAmount, defaultCell, type MatrixModel } from '../price-models/matrix.js'
import { explainQuantity } from './explain-quantity.js'
import { greater, lesser, minus, ofScaled, type Ratio, times, zero } from './ratio.js'
import { money, quantity, type Step, type StepValue, scaledMoney, sumStep, text } from './step.js'

export interface CellUnits {
  readonly cell: number
  readonly name: string
  readonly units: Ratio
}

/** The quantity of each cell with usage or a level carried over, and their sum. */
export function explainCells(
  steps: Step[],
  basis: ChargeBasis,
  model: MatrixModel,
  accumulator: Accumulator,
  usage: MatrixUsage,
): CellUnits[] {
  const cells = cellsInOrder(accumulator, usage).map(cell => {
    const name = nameOf(model, cell)
    const state = usage.cells.get(cell) ?? newAggregation(basis.meter.aggregation)
    const level = levelAtStart(accumulator, cell)
    return {
      cell,
      name,
      units: explainQuantity(steps, basis, { state, level, events: undefined, cell: name }),
    }
  })
  const { events } = accumulator
  sumStep(
    steps,
    'quantity',
    `quantity of ${events} ${events === 1 ? 'event' : 'events'}`,
    'cell',
    cells.map(one => one.units),
    quantity,
  )
  return cells
}

export function explainMatrix(
  steps: Step[],
  model: MatrixModel,
  cells: readonly CellUnits[],
  included: Ratio,
): Ratio {
  let left = included
  const amounts = cells.map(({ cell, name, units }) => {
    const free = greater(lesser(units, left), zero)
    left = minus(left, free)
    const unitAmount = cellUnitAmount(model, cell)
    const result = times(minus(units, free), ofScaled(unitAmount))
    const isFree = free.numerator !== 0n
    const values: Record<string, StepValue> = {
      cell: text(name),
      units: quantity(units),
      ...(isFree ? { included_units: quantity(free) } : {}),
      unit_amount: scaledMoney(unitAmount),
    }
    steps.push({
      what: 'cell',
      label: name,
      formula: isFree ? '(units - included_units) * unit_amount' : 'units * unit_amount',
      values,
      result: money(result),
    })
    return result
  })
  return sumStep(steps, 'model', 'matrix', 'cell', amounts, money)
}

/** `region=eu, tier=gold`. */
function nameOf(model: MatrixModel, cell: number): string {
  if (cell === defaultCell) return 'any other'
  const when = model.cells[cell]?.when ?? new Map<string, string>()
  return [...when].map(([dimension, value]) => `${dimension}=${value}`).join(', ')
}
