// A table's row as JSON, under the names and in the forms that ClickHouse shows it, for tests to compare.

import { formatScaled } from '../money/decimal.js'
import type { Column, TableDescription } from '../table-description.js'
import { formatInstant, formatInstantMs } from '../time.js'

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
      return formatInstantMs(value as number)
    case 'instant_ns':
      return formatInstant(value as bigint)
    case 'nullable_instant_ns':
      return value === undefined ? null : formatInstant(value as bigint)
    case 'map':
      return Object.fromEntries(value as ReadonlyMap<string, string>)
    default:
      return value
  }
}
