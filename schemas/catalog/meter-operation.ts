// `operation` of a meter of `unique_count`: the field that says whether an event adds its value or removes it. It makes the count
// persistent: a value stays present until it is removed, also in later periods. How it is read and written;
// rating/aggregations/persistent-unique-count.ts has the arithmetic.
// Invariant: a meter has an operation if and only if its aggregation is `persistent_unique_count`.

import type { Aggregation } from './aggregations.js'
import type { FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { readPath } from './meter-value.js'
import type { MeterWindow } from './meter-window.js'
import type { Wire } from './models/model-shape.js'

export const operations = ['add', 'remove'] as const

export function readOperation(
  reader: FieldReader,
  aggregation: Aggregation | undefined,
  window: MeterWindow | undefined,
  problems: Problems,
): { operation?: readonly string[] } {
  const node = reader.field('operation')
  if (node === undefined || aggregation === undefined) return {}
  if (window !== undefined || aggregation !== 'unique_count') {
    const what = window === undefined ? `aggregation ${aggregation}` : 'meter with a window'
    reader.fault('operation', 'unknown_key', `The ${what} takes no operation; unique_count does.`)
    return {}
  }
  const operation = readPath(node, problems, 'operation')
  return operation === undefined ? {} : { operation }
}

/** With an operation. */
export function persistent(named: Aggregation): Aggregation {
  return named === 'unique_count' ? 'persistent_unique_count' : named
}

/** As a catalog names it. */
export function namedAggregation(aggregation: Aggregation): Aggregation {
  return aggregation === 'persistent_unique_count' ? 'unique_count' : aggregation
}

export function operationToWire(operation: readonly string[] | undefined): Wire {
  return operation === undefined ? {} : { operation: operation.join('.') }
}
