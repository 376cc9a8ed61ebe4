// The cells of a `matrix` price: which one an event belongs to, and the state that is kept for each.
// Of the cells all of whose dimensions match, the one with the most dimensions decides; none: the default, cell -1.
// schemas/catalog/models/matrix.ts refuses a matrix in which two could match with equally many.

import { defaultPriceOf, type Matrix } from '../../../schemas/catalog/models/matrix.js'
import type { CellPrice } from '../../../schemas/catalog/models/matrix-cell.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { AggregationState } from '../../aggregations/registry.js'
import type { Levels } from '../model.js'
import { oncePer } from '../once-per.js'

export const defaultCell = -1

/** The cells that name the same dimensions, by the dimensions' values. */
interface CellIndex {
  readonly dimensions: readonly string[]
  readonly cells: ReadonlyMap<string, number>
}

/** The state of the charge: one aggregation per cell. */
export interface MatrixUsage {
  readonly kind: 'matrix'
  readonly cells: Map<number, AggregationState>
}

/** Cells with usage or a level carried over, and `others`, in the catalog's order, the default last. */
export function cellsInOrder(usage: MatrixUsage, levels: Levels, others: readonly number[] = []): number[] {
  const cells = new Set([...others, ...usage.cells.keys(), ...(levels?.keys() ?? [])])
  const hasDefault = cells.delete(defaultCell)
  const ordered = [...cells].sort((a, b) => a - b)
  return hasDefault ? [...ordered, defaultCell] : ordered
}

/** The cell of an event with these dimensions; undefined: no cell and no default. */
export function matrixCell(model: Matrix, dimensions: ReadonlyMap<string, string>): number | undefined {
  for (const index of indexesOf(model)) {
    const cell = cellIn(index, dimensions)
    if (cell !== undefined) return cell
  }
  return defaultPriceOf(model) === undefined ? undefined : defaultCell
}

/** What a cell that `matrixCell` gave costs. */
export function cellPrice(model: Matrix, cell: number): CellPrice {
  const price = cell === defaultCell ? defaultPriceOf(model) : model.cells[cell]
  if (price === undefined) throw new Error(`a matrix price has no cell ${cell}`)
  return price
}

/** All of a matrix, in the catalog's order, the default last. */
export function allCells(model: Matrix): number[] {
  return [...model.cells.keys(), ...(defaultPriceOf(model) === undefined ? [] : [defaultCell])]
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

/** Those of the most dimensions first. */
const indexesOf = oncePer((model: Matrix): readonly CellIndex[] => {
  const bySet = new Map<string, { dimensions: readonly string[]; cells: Map<string, number> }>()
  for (const [cell, { when }] of model.cells.entries()) {
    const dimensions = [...when.keys()].sort()
    const key = compositeKey(...dimensions)
    const index = bySet.get(key) ?? { dimensions, cells: new Map() }
    bySet.set(key, index)
    index.cells.set(compositeKey(...dimensions.map(dimension => when.get(dimension) as string)), cell)
  }
  return [...bySet.values()].sort((a, b) => b.dimensions.length - a.dimensions.length)
})
