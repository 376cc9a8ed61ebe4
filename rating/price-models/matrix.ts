// `matrix`: a price per unit by the event's dimensions. Each cell has its own aggregated quantity; the amount is the
// sum over the cells of quantity x unit amount, and the charge's quantity the sum of the cells' quantities.
// Worked example: {region: eu} 0.02, default 0.05. 100 units in eu and 10 in us: 100 x 0.02 + 10 x 0.05 = 2.5.
// The first cell, in the catalog's order, all of whose dimensions match decides; none: the default, cell -1.
// `included` units are taken from the cells in the catalog's order, the default last, so that the order of events
// does not matter. Source: Orb, "Matrix pricing" (cells by dimension values, default unit amount).

import type { PriceModel, UsagePrice } from '../../schemas/catalog.js'
import type { Scaled } from '../../schemas/decimal.js'
import { compositeKey } from '../../schemas/identifiers.js'

export type MatrixModel = Extract<PriceModel, { model: 'matrix' }>

export const defaultCell = -1

/** When all cells name the same dimensions, as they mostly do, one look-up finds the cell. */
interface CellIndex {
  readonly dimensions: readonly string[]
  readonly cells: ReadonlyMap<string, number>
}

const fewCells = 8
const indexes = new WeakMap<MatrixModel, CellIndex | 'none'>()

/** The cell of an event with these dimensions; 0 for any other model; undefined: no cell and no default. */
export function matrixCell(price: UsagePrice, dimensions: ReadonlyMap<string, string>): number | undefined {
  const { model } = price
  if (model.model !== 'matrix') return 0
  const index = model.cells.length > fewCells ? cellIndexOf(model) : 'none'
  const cell = index === 'none' ? firstMatch(model, dimensions) : indexedMatch(index, dimensions)
  if (cell !== undefined) return cell
  return model.defaultUnitAmount === undefined ? undefined : defaultCell
}

/** The unit amount of a cell that `matrixCell` gave. */
export function cellUnitAmount(model: MatrixModel, cell: number): Scaled {
  const unitAmount = cell === defaultCell ? model.defaultUnitAmount : model.cells[cell]?.unitAmount
  if (unitAmount === undefined) throw new Error(`a matrix price has no cell ${cell}`)
  return unitAmount
}

function firstMatch(model: MatrixModel, dimensions: ReadonlyMap<string, string>): number | undefined {
  for (let cell = 0; cell < model.cells.length; cell += 1) {
    if (matches((model.cells[cell] as MatrixModel['cells'][number]).when, dimensions)) return cell
  }
  return undefined
}

function matches(when: ReadonlyMap<string, string>, dimensions: ReadonlyMap<string, string>): boolean {
  for (const [dimension, value] of when) if (dimensions.get(dimension) !== value) return false
  return true
}

function indexedMatch(index: CellIndex, dimensions: ReadonlyMap<string, string>): number | undefined {
  const values: string[] = []
  for (const dimension of index.dimensions) {
    const value = dimensions.get(dimension)
    if (value === undefined) return undefined
    values.push(value)
  }
  return index.cells.get(compositeKey(...values))
}

function cellIndexOf(model: MatrixModel): CellIndex | 'none' {
  const known = indexes.get(model)
  if (known !== undefined) return known
  const index = indexCells(model)
  indexes.set(model, index)
  return index
}

function indexCells(model: MatrixModel): CellIndex | 'none' {
  const dimensions = [...(model.cells[0]?.when.keys() ?? [])].sort()
  const cells = new Map<string, number>()
  for (const [cell, { when }] of model.cells.entries()) {
    if (when.size !== dimensions.length || !dimensions.every(dimension => when.has(dimension))) return 'none'
    const key = compositeKey(...dimensions.map(dimension => when.get(dimension) as string))
    if (!cells.has(key)) cells.set(key, cell)
  }
  return { dimensions, cells }
}
