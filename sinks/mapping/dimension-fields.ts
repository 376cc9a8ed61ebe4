// Fields of a mapping for systems whose dimensions each customer names: `dimension_1` to `dimension_8`, in the order in which
// the connection's setting `dimensions` lists their names.

import type { MappingField } from './mapping-fields.js'

const most = 8

export function dimensionFields(description: string): Readonly<Record<string, MappingField>> {
  return Object.fromEntries(
    Array.from({ length: most }, (_, index) => [
      dimensionField(index),
      { description: `${description} ${index + 1} of the setting dimensions` },
    ]),
  )
}

/** The field of the dimension at this index of the setting. */
export function dimensionField(index: number): string {
  return `dimension_${index + 1}`
}
