// What a charge of kind `commitment` makes up for: the bound, and what counted towards it, in memory and on the wire.
// Invariants: the amount of the charge is the bound less what counted; a credit of the charge repeats it unchanged; what was written is
// read back equal.

import { z } from 'zod'
import { decimalField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'

export interface MadeUpFor {
  readonly bound: 'minimum' | 'maximum' | 'commitment'
  /** What the charges had to come to, for its part of the period or term. */
  readonly amount: Scaled
  /** By price, in their order; net of coupons. */
  readonly counted: readonly { readonly price: string; readonly amount: Scaled }[]
}

export interface MadeUpForWire {
  readonly bound: 'minimum' | 'maximum' | 'commitment'
  readonly amount: string
  readonly counted: readonly { readonly price: string; readonly amount: string }[]
}

export const madeUpForSchema = z.object({
  bound: z.enum(['minimum', 'maximum', 'commitment']),
  amount: decimalField.meta({ description: 'What the charges had to come to.' }),
  counted: z
    .array(z.object({ price: nameField, amount: decimalField }))
    .meta({ description: 'What they came to, by price, net of coupons.' }),
})

export function madeUpForToWire({ bound, amount, counted }: MadeUpFor): MadeUpForWire {
  return {
    bound,
    amount: formatScaled(amount),
    counted: counted.map(one => ({ price: one.price, amount: formatScaled(one.amount) })),
  }
}

/** All that counted. */
export function countedTotal({ counted }: MadeUpFor): Scaled {
  return counted.reduce((sum, one) => sum + one.amount, 0n)
}
