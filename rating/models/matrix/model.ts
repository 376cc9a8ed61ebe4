// `matrix`: a price per unit by the event's dimensions. Each cell has its own aggregated quantity; the amount is the
// sum over the cells of quantity x unit amount, and the charge's quantity the sum of the cells' quantities.
// Worked example: {region: eu} 0.02, default 0.05. 100 units in eu and 10 in us: 100 x 0.02 + 10 x 0.05 = 2.5.
// `included` units are taken from the cells in the catalog's order, the default last, so that the order of events
// does not matter. Source: Orb, "Matrix pricing" (cells by dimension values, default unit amount).

import type { Matrix } from '../../../schemas/catalog/models/matrix.js'
import { greatest, magnitude, scaledOne } from '../../../schemas/money/decimal.js'
import { heldIn } from '../../aggregations/registry.js'
import type { UsageSample } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
import { beyondIncluded } from '../included.js'
import type { Compiled, Levels, Owed, UsageModel } from '../model.js'
import { cellsInOrder, cellUnitAmount, type MatrixUsage, matrixCell } from './cells.js'
import { explainCells, explainMatrix } from './explain.js'

export const matrix: UsageModel<Matrix, Matrix, MatrixUsage> = {
  kind: 'usage',
  amountScale: scaledOne,
  keeps: 'a quantity for each cell, by the dimensions of the event',
  cellOf: matrixCell,
  start: () => ({ kind: 'matrix', cells: new Map() }),
  add: addToCell,
  compile: model => model,
  owed,
  held({ cells }, levels) {
    let held = 0n
    for (const cell of cells.values()) held += magnitude(heldIn(cell, []))
    for (const level of levels?.values() ?? []) held += magnitude(level)
    return held
  },
  bound: ({ cells, defaultUnitAmount = 0n }) => ({
    unit: greatest([...cells.map(cell => cell.unitAmount), defaultUnitAmount]),
  }),
  explainQuantity: explainCells,
  explain: explainMatrix,
}

function addToCell(
  { fromNs }: ChargeBasis,
  { aggregation }: Compiled<Matrix>,
  { cells }: MatrixUsage,
  sample: UsageSample,
): void {
  let state = cells.get(sample.cell)
  if (state === undefined) {
    state = aggregation.start()
    cells.set(sample.cell, state)
  }
  aggregation.add(state, sample, fromNs)
}

function owed(
  basis: ChargeBasis,
  { terms, factor, included, aggregation }: Compiled<Matrix>,
  usage: MatrixUsage,
  levels: Levels,
): Owed {
  let total = 0n
  let amount = 0n
  let left = included
  for (const cell of cellsInOrder(usage, levels)) {
    const state = usage.cells.get(cell) ?? aggregation.start()
    const inCell = aggregation.total(state, basis, levels?.get(cell) ?? 0n)
    total += inCell
    const units = inCell * factor
    const beyond = beyondIncluded(units, left)
    left -= units - beyond
    amount += beyond * cellUnitAmount(terms, cell)
  }
  return { total, amount }
}
