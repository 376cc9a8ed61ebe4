// What a `matrix` price remembers of its usage: an aggregation for each cell.

import type { AggregationState } from '../../aggregations/registry.js'
import type { Levels } from '../model.js'
import { defaultCell } from './cells.js'

export interface MatrixUsage {
  readonly kind: 'matrix'
  readonly cells: Map<number, AggregationState>
}

/** Cells with usage or a level carried over, in the catalog's order, the default last. */
export function cellsInOrder(usage: MatrixUsage, levels: Levels): number[] {
  const cells = new Set([...usage.cells.keys(), ...(levels?.keys() ?? [])])
  const hasDefault = cells.delete(defaultCell)
  const ordered = [...cells].sort((a, b) => a - b)
  return hasDefault ? [...ordered, defaultCell] : ordered
}
