// `matrix`: a price per unit by the event's dimensions. Each cell has its own aggregated quantity; the amount is the
// sum over the cells of quantity x unit amount, and the charge's quantity the sum of the cells' quantities.
// Worked example: {region: eu} 0.02, default 0.05. 100 units in eu and 10 in us: 100 x 0.02 + 10 x 0.05 = 2.5.
// Of the cells all of whose dimensions match, the one with the most dimensions decides; none: the default, cell -1.
// schemas/catalog/catalog-matrix.ts refuses a matrix in which two could match with equally many.
// `included` units are taken from the cells in the catalog's order, the default last, so that the order of events
// does not matter. Source: Orb, "Matrix pricing" (cells by dimension values, default unit amount).

import type { PriceModel, UsagePrice } from '../../schemas/catalog/catalog.js'
import { compositeKey } from '../../schemas/identifiers.js'
import type { Scaled } from '../../schemas/money/decimal.js'

export type MatrixModel = Extract<PriceModel, { model: 'matrix' }>

export const defaultCell = -1

/** The cells that name the same dimensions, by the values of these. */
interface CellIndex {
  readonly dimensions: readonly string[]
  readonly cells: ReadonlyMap<string, number>
}

/** Those of the most dimensions first. */
const indexes = new WeakMap<MatrixModel, readonly CellIndex[]>()

/** The cell of an event with these dimensions; 0 for any other model; undefined: no cell and no default. */
export function matrixCell(price: UsagePrice, dimensions: ReadonlyMap<string, string>): number | undefined {
  const { model } = price
  if (model.model !== 'matrix') return 0
  for (const index of indexesOf(model)) {
    const cell = cellIn(index, dimensions)
    if (cell !== undefined) return cell
  }
  return model.defaultUnitAmount === undefined ? undefined : defaultCell
}

/** The unit amount of a cell that `matrixCell` gave. */
export function cellUnitAmount(model: MatrixModel, cell: number): Scaled {
  const unitAmount = cell === defaultCell ? model.defaultUnitAmount : model.cells[cell]?.unitAmount
  if (unitAmount === undefined) throw new Error(`a matrix price has no cell ${cell}`)
  return unitAmount
}

function cellIn(index: CellIndex, dimensions: ReadonlyMap<string, string>): number | undefined {
  const values: string[] = []
  for (const dimension of index.dimensions) {
    const value = dimensions.get(dimension)
    if (value === undefined) return undefined
    values.push(value)
  }
  return index.cells.get(compositeKey(...values))
}

function indexesOf(model: MatrixModel): readonly CellIndex[] {
  let known = indexes.get(model)
  if (known === undefined) {
    known = indexCells(model)
    indexes.set(model, known)
  }
  return known
}

function indexCells(model: MatrixModel): CellIndex[] {
  const bySet = new Map<string, { dimensions: readonly string[]; cells: Map<string, number> }>()
  for (const [cell, { when }] of model.cells.entries()) {
    const dimensions = [...when.keys()].sort()
    const key = compositeKey(...dimensions)
    const index = bySet.get(key) ?? { dimensions, cells: new Map() }
    bySet.set(key, index)
    index.cells.set(compositeKey(...dimensions.map(dimension => when.get(dimension) as string)), cell)
  }
  return [...bySet.values()].sort((a, b) => b.dimensions.length - a.dimensions.length)
}
