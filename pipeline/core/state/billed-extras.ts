// What few billed charges have, as a text beside the bytes that all of them have: what coupons took off.
// Invariant: what was written is read back equal.

import type { Charge } from '../../../schemas/billing/charge.js'

type Extras = Pick<Charge, 'discounts'>

/** Amounts are scaled integers as decimal text. */
interface Stored {
  readonly discounts?: readonly (readonly [code: string, amount: string])[]
}

/** Undefined for a charge that has nothing of it. */
export function extrasText({ discounts }: Extras): string | undefined {
  if (discounts === undefined) return undefined
  const stored: Stored = { discounts: discounts.map(({ code, amount }) => [code, String(amount)]) }
  return JSON.stringify(stored)
}

export function extrasFrom(text: string): Extras {
  const { discounts } = JSON.parse(text) as Stored
  if (discounts === undefined) return {}
  return { discounts: discounts.map(([code, amount]) => ({ code, amount: BigInt(amount) })) }
}
