// A table's row as JSON, under the names and in the forms that ClickHouse shows it: for `explain`, the API and tests.

import { formatScaled } from './decimal.js'
import type { Column, TableDescription } from './tables.js'
import { formatInstant } from './time.js'

/** Decimals are strings, instants RFC 3339, an open end is null. */
export function rowToWire<R>(table: TableDescription<R>, row: R): Record<string, unknown> {
  const values = row as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    table.columns.map(column => [column.name, columnToWire(column, values[column.field])]),
  )
}

function columnToWire(column: Column, value: unknown): unknown {
  switch (column.kind) {
    case 'decimal':
      return formatScaled(value as bigint)
    case 'instant_ms':
      return formatInstant(value as number)
    case 'nullable_instant_ms':
      return value === undefined || value === Number.POSITIVE_INFINITY ? null : formatInstant(value as number)
    case 'map':
      return Object.fromEntries(value as ReadonlyMap<string, string>)
    default:
      return value
  }
}
