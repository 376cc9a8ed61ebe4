// The shape of a price model: how its fields are read, written and described. Its arithmetic is rating/models/<model>/.
// Invariant: a written model is read back equal.

import type { z } from 'zod'
import { formatScaled, type Scaled } from '../../money/decimal.js'
import type { FieldReader } from '../catalog-reader.js'
import type { Problems } from '../catalog-source.js'

export type Wire = Record<string, unknown>

/** Methods, not properties, so that the shape of one model is assignable to that of any. */
export interface ModelShape<M extends { readonly model: string }> {
  /** In the JSON Schema, beside the fields of every usage price. */
  readonly fields: Readonly<Record<string, z.ZodType>>
  /** The model's own fields; undefined when one is missing or wrong; the reader then has the fault. */
  read(reader: FieldReader, problems: Problems): M | undefined
  toWire(model: M): Wire
  /** Why the model cannot price this meter, and the field at fault; undefined: it can. */
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
