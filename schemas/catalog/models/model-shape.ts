// What the border knows of a price model: its fields as they are read, written and described. What a model owes is
// rating/models/<model>/.
// Invariant: what is written is read back equal.

import type { z } from 'zod'
import { formatScaled, type Scaled } from '../../money/decimal.js'
import type { FieldReader } from '../catalog-reader.js'
import type { Problems } from '../catalog-source.js'

export type Wire = Record<string, unknown>

/** Its parts are methods on purpose: the shape of one model then passes for that of any. */
export interface ModelShape<M extends { readonly model: string }> {
  /** In the JSON Schema, beside the fields of every usage price. */
  readonly fields: Readonly<Record<string, z.ZodType>>
  /** The model's own fields; undefined when one is missing or wrong, which the reader was told. */
  read(reader: FieldReader, problems: Problems): M | undefined
  toWire(model: M): Wire
  /** What keeps the model from pricing a meter, once both are known, and the field to blame. */
  fault?(
    model: M,
    meter: { readonly meter: string; readonly dimensions: readonly string[] },
  ): ModelFault | undefined
}

export interface ModelFault {
  readonly field: string
  readonly code: string
  readonly message: string
}

export const fromZero = { sign: 'from_zero' } as const
export const positive = { sign: 'positive' } as const

/** The field of a decimal; none for undefined. */
export function decimal(name: string, value: Scaled | undefined): Wire {
  return value === undefined ? {} : { [name]: formatScaled(value) }
}
