// What a coupon took off a charge, in memory and on the wire. Invariant: a written discount is read back equal.

import { z } from 'zod'
import { decimalField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'

export interface Discount {
  /** Of the coupon. */
  readonly code: string
  /** Above 0 where it lowers the charge; a credit has the other sign. */
  readonly amount: Scaled
}

export interface DiscountWire {
  readonly code: string
  readonly amount: string
}

export const discountSchema = z.object({ code: nameField, amount: decimalField })

export function discountToWire({ code, amount }: Discount): DiscountWire {
  return { code, amount: formatScaled(amount) }
}

export function discountOf({ code, amount }: z.output<typeof discountSchema>): Discount {
  return { code, amount }
}

/** All that was taken off. */
export function discountTotal(discounts: readonly Discount[] | undefined): Scaled {
  return discounts === undefined ? 0n : discounts.reduce((sum, { amount }) => sum + amount, 0n)
}

/** A charge before coupons. */
export function grossOf({ amount, discounts }: { amount: Scaled; discounts?: readonly Discount[] }): Scaled {
  return amount + discountTotal(discounts)
}
