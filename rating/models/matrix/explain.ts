// `matrix`: a quantity per cell, then each cell's units, less what is included, at its unit amount.
// Formula: model.ts. Included units are taken from the cells in the catalog's order, the default last.

import type { Matrix } from '../../../schemas/catalog/models/matrix.js'
import type { CellModel, CellPrice } from '../../../schemas/catalog/models/matrix-cell.js'
import { explainQuantity } from '../../aggregations/explain-quantity.js'
import { aggregatorOfMeter } from '../../aggregations/registry.js'
import { type Part, prorated } from '../../steps/part-of-period.js'
import { greater, lesser, minus, ofScaled, plus, type Ratio, times, zero } from '../../steps/ratio.js'
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
import { dueUnusedOfCell, partOfCell } from './cell-price.js'
import { allCells, cellPrice, cellsInOrder, defaultCell, type MatrixUsage } from './cells.js'

type UsedCells = Used<Matrix, MatrixUsage>

/** The quantity of each cell with usage or a level carried over, and their sum. */
export function explainCells(steps: Step[], used: UsedCells): Ratio {
  const { events } = used
  const label = `quantity of ${events} ${events === 1 ? 'event' : 'events'}`
  const units = unitsByCell(steps, used).map(cell => cell.units)
  return sumStep(steps, 'quantity', label, 'cell', units, quantity)
}

/** Of those without usage only the ones that owe something without it. */
function unitsByCell(steps: Step[], { basis, model, usage, levels }: UsedCells) {
  const due = allCells(model).filter(cell => dueUnusedOfCell(cellPrice(model, cell)) !== 0n)
  return cellsInOrder(usage, levels, due).map(cell => {
    const name = nameOf(model, cell)
    const state = usage.cells.get(cell) ?? aggregatorOfMeter(basis.meter).start()
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
    return explainCell(steps, cellPrice(model, cell), { name, units, free, part })
  })
  return sumStep(steps, 'model', 'matrix', 'cell', amounts, money)
}

interface CellUnits {
  readonly name: string
  readonly units: Ratio
  /** Of the included units. */
  readonly free: Ratio
  readonly part: Part
}

function explainCell(steps: Step[], price: CellPrice, cell: CellUnits): Ratio {
  if (price.model !== undefined) return explainModelled(steps, price.model, cell)
  const { name, units, free, part } = cell
  const { unitAmount, flatAmount } = price
  const flat = flatAmount === undefined ? undefined : prorated('flat_amount', scaledMoney(flatAmount), part)
  const result = plus(times(minus(units, free), ofScaled(unitAmount)), flat?.exact ?? zero)
  const isFree = free.numerator !== 0n
  const values: Record<string, StepValue> = {
    cell: text(name),
    units: quantity(units),
    ...(isFree ? { included_units: quantity(free) } : {}),
    unit_amount: scaledMoney(unitAmount),
    ...flat?.values,
  }
  const formula = isFree ? '(units - included_units) * unit_amount' : 'units * unit_amount'
  steps.push({
    what: 'cell',
    label: name,
    formula: flat === undefined ? formula : `${formula} + ${flat.formula}`,
    values,
    result: money(result),
  })
  return result
}

/** The model's own lines, then what the cell comes to. */
function explainModelled(steps: Step[], model: CellModel, { name, units, free, part }: CellUnits): Ratio {
  const beyond = minus(units, free)
  if (free.numerator !== 0n) {
    steps.push({
      what: 'beyond_included',
      label: `${name}: units beyond the included`,
      formula: 'units - included_units',
      values: { cell: text(name), units: quantity(units), included_units: quantity(free) },
      result: quantity(beyond),
    })
  }
  const own: Step[] = []
  const result = partOfCell(model).explain(own, model, beyond, part)
  steps.push(...own.map(step => ({ ...step, label: `${name}: ${step.label}` })))
  steps.push({
    what: 'cell',
    label: name,
    formula: model.model,
    values: { cell: text(name), units: quantity(beyond), [model.model]: money(result) },
    result: money(result),
  })
  return result
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
