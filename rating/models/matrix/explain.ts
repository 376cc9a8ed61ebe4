// `matrix`: a quantity per cell, then each cell's units, less what is included, at its unit amount.
// Formula: model.ts. Included units are taken from the cells in the catalog's order, the default last.

import type { Matrix } from '../../../schemas/catalog/models/matrix.js'
import { explainQuantity } from '../../aggregations/explain-quantity.js'
import { aggregatorOf } from '../../aggregations/registry.js'
import { type Part, prorated } from '../../steps/part-of-period.js'
import { greater, lesser, minus, ofScaled, type Ratio, times, zero } from '../../steps/ratio.js'
import {
  money,
  quantity,
  type Step,
  type StepValue,
  scaledMoney,
  scaledQuantity,
  sumStep,
  text,
} from '../../steps/step.js'
import type { Used } from '../model.js'
import { cellsInOrder, cellUnitAmount, defaultCell, type MatrixUsage } from './cells.js'

type UsedCells = Used<Matrix, MatrixUsage>

/** The quantity of each cell with usage or a level carried over, and their sum. */
export function explainCells(steps: Step[], used: UsedCells): Ratio {
  const { events } = used
  const label = `quantity of ${events} ${events === 1 ? 'event' : 'events'}`
  const units = unitsByCell(steps, used).map(cell => cell.units)
  return sumStep(steps, 'quantity', label, 'cell', units, quantity)
}

function unitsByCell(steps: Step[], { basis, model, usage, levels }: UsedCells) {
  return cellsInOrder(usage, levels).map(cell => {
    const name = nameOf(model, cell)
    const state = usage.cells.get(cell) ?? aggregatorOf(basis.meter.aggregation).start()
    const level = levels?.get(cell) ?? 0n
    const units = explainQuantity(steps, basis, { state, level, events: undefined, cell: name })
    return { cell, name, units }
  })
}

export function explainMatrix(steps: Step[], used: UsedCells, _units: Ratio, part: Part): Ratio {
  const { model } = used
  let left = explainIncluded(steps, used, part)
  // The lines of the quantities are there already.
  const amounts = unitsByCell([], used).map(({ cell, name, units }) => {
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

/** The cells take from it one by one. */
function explainIncluded(steps: Step[], { basis }: UsedCells, part: Part): Ratio {
  const { included } = basis.price
  if (included === 0n) return zero
  const { formula, values, exact } = prorated('included', scaledQuantity(included), part)
  steps.push({ what: 'free_units', label: 'units included', formula, values, result: quantity(exact) })
  return exact
}

/** `region=eu, tier=gold`. */
function nameOf(model: Matrix, cell: number): string {
  if (cell === defaultCell) return 'any other'
  const when = model.cells[cell]?.when ?? new Map<string, string>()
  return [...when].map(([dimension, value]) => `${dimension}=${value}`).join(', ')
}
