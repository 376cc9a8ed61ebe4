// `matrix`: a price by the event's dimensions. Each cell has its own aggregated quantity and its own price (cell-price.ts);
// the amount is the sum over the cells of what the cell's quantity costs, and the charge's quantity the sum of theirs.
// Worked example: {region: eu} 0.02, default 0.05. 100 units in eu and 10 in us: 100 x 0.02 + 10 x 0.05 = 2.5.
// `included` units are taken from the cells in the catalog's order, the default last, so that the order of events
// does not matter. A cell without usage owes its flat amount, or its first tier's.
// Source: Orb, "Matrix pricing" (cells by dimension values, default unit amount).

import type { Matrix } from '../../../schemas/catalog/models/matrix.js'
import { greatest, magnitude, scaledOne } from '../../../schemas/money/decimal.js'
import { levelSize } from '../../aggregations/level.js'
import { heldIn } from '../../aggregations/registry.js'
import type { UsageSample } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
import { beyondIncluded } from '../included.js'
import type { Compiled, Levels, Owed, UsageModel } from '../model.js'
import type { Scale } from '../scale.js'
import {
  boundOfCell,
  type CellAmount,
  compileCell,
  dueUnusedOfCell,
  withoutFlatAmountOfCell,
} from './cell-price.js'
import { allCells, cellPrice, cellsInOrder, type MatrixUsage, matrixCell } from './cells.js'
import { explainCells, explainMatrix } from './explain.js'

export interface MatrixTerms {
  readonly cells: ReadonlyMap<number, CellAmount>
  /** What the cells come to that owe something without units, and all of them. */
  readonly unused: ReadonlyMap<number, bigint>
  readonly allUnused: bigint
}

export const matrix: UsageModel<Matrix, MatrixTerms, MatrixUsage> = {
  kind: 'usage',
  amountScale: scaledOne,
  keeps: 'a quantity for each cell, by the dimensions of the event',
  cellOf: matrixCell,
  start: () => ({ kind: 'matrix', cells: new Map() }),
  add: addToCell,
  compile: compileCells,
  owed,
  held({ cells }, levels) {
    let held = 0n
    for (const cell of cells.values()) held += magnitude(heldIn(cell, []))
    for (const level of levels?.values() ?? []) held += levelSize(level)
    return held
  },
  bound(model) {
    const bounds = allCells(model).map(cell => boundOfCell(cellPrice(model, cell)))
    return {
      unit: greatest(bounds.map(({ unit }) => unit)),
      flat: bounds.reduce((sum, { flat = 0n }) => sum + flat, 0n),
    }
  },
  dueUnused: model =>
    allCells(model).reduce((sum, cell) => sum + dueUnusedOfCell(cellPrice(model, cell)), 0n),
  withoutFlatAmounts: ({ cells, default: otherwise, ...model }) => ({
    ...model,
    cells: cells.map(withoutFlatAmountOfCell),
    ...(otherwise === undefined ? {} : { default: withoutFlatAmountOfCell(otherwise) }),
  }),
  explainQuantity: explainCells,
  explain: explainMatrix,
}

function compileCells(model: Matrix, scale: Scale): MatrixTerms {
  const cells = new Map(allCells(model).map(cell => [cell, compileCell(cellPrice(model, cell), scale)]))
  const unused = new Map<number, bigint>()
  let allUnused = 0n
  for (const [cell, amountOf] of cells) {
    const due = amountOf(0n)
    if (due === 0n) continue
    unused.set(cell, due)
    allUnused += due
  }
  return { cells, unused, allUnused }
}

function addToCell(
  { fromNs }: ChargeBasis,
  { aggregation }: Compiled<MatrixTerms>,
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
  { terms, factor, included, aggregation }: Compiled<MatrixTerms>,
  usage: MatrixUsage,
  levels: Levels,
): Owed {
  let total = 0n
  let amount = terms.allUnused
  let left = included
  for (const cell of cellsInOrder(usage, levels)) {
    const state = usage.cells.get(cell) ?? aggregation.start()
    const inCell = aggregation.total(state, basis, levels?.get(cell) ?? 0n)
    total += inCell
    const units = inCell * factor
    const beyond = beyondIncluded(units, left)
    left -= units - beyond
    amount += terms.cells.get(cell)!(beyond) - (terms.unused.get(cell) ?? 0n)
  }
  return { total, amount }
}
