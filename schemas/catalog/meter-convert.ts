// `convert` of a meter: from the unit that events are in to the unit that is priced, such as GB from bytes. How it is
// read, written and described; rating/aggregations/convert.ts has the arithmetic.
// Invariant: a written conversion is read back equal.

import { z } from 'zod'
import { positiveField } from '../json/wire-fields.js'
import { type Scaled, scaledOne } from '../money/decimal.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { decimal, positive, type Wire } from './models/model-shape.js'

/** `up` is away from zero, `down` towards it. */
export const convertRoundings = ['up', 'down', 'half_up', 'half_even'] as const
export type ConvertRounding = (typeof convertRoundings)[number]

export interface Convert {
  /** At least one, scaled. */
  readonly divideBy: Scaled
  /** Of each event. Absent: the aggregated quantity is divided, exactly. */
  readonly round?: { readonly to: ConvertRounding; readonly places: number }
}

export function readConvert(reader: FieldReader, problems: Problems): Convert | undefined {
  const node = reader.field('convert')
  const map = node === undefined ? undefined : asMap(node, 'The field convert', problems)
  if (map === undefined) return undefined
  const own = new FieldReader(map, problems)
  const divideBy = own.requiredDecimal('divide_by', positive)
  const to = own.choice('round', convertRoundings)
  const places = own.whole('places', 0, 12)
  own.refuseOthers('convert')
  if (divideBy !== undefined && divideBy < scaledOne) {
    own.fault(
      'divide_by',
      'value_out_of_range',
      'The field divide_by is at least 1; an expression multiplies.',
    )
  }
  if (places !== undefined && to === undefined) {
    own.fault('places', 'missing_field', 'The field places needs round: without it nothing is rounded.')
  }
  if (divideBy === undefined) return undefined
  return { divideBy, ...(to === undefined ? {} : { round: { to, places: places ?? 0 } }) }
}

export function convertToWire({ divideBy, round }: Convert): Wire {
  return {
    ...decimal('divide_by', divideBy),
    ...(round === undefined ? {} : { round: round.to }),
    ...(round === undefined || round.places === 0 ? {} : { places: round.places }),
  }
}

export const convertField = z
  .strictObject({
    divide_by: positiveField,
    round: z.enum(convertRoundings).optional(),
    places: z.int().min(0).max(12).optional(),
  })
  .meta({
    description:
      'Divides by at least 1. With round, the value of each event is rounded to so many places (0 unless told); ' +
      'without it the aggregated quantity is divided, exactly.',
  })
