// What few billed charges have, as a text beside the bytes that all of them have: what coupons took off,
// and what a commitment makes up for.
// Invariant: what was written is read back equal.

import type { Charge } from '../../../schemas/billing/charge.js'
import type { MadeUpFor } from '../../../schemas/billing/made-up-for.js'

type Extras = Pick<Charge, 'discounts' | 'madeUpFor'>

/** Amounts are scaled integers as decimal text. */
interface Stored {
  readonly discounts?: readonly (readonly [code: string, amount: string])[]
  readonly madeUpFor?: {
    readonly bound: MadeUpFor['bound']
    readonly amount: string
    readonly counted: readonly (readonly [price: string, amount: string])[]
  }
}

/** Undefined for a charge that has nothing of it. */
export function extrasText({ discounts, madeUpFor }: Extras): string | undefined {
  if (discounts === undefined && madeUpFor === undefined) return undefined
  const stored: Stored = {
    ...(discounts === undefined
      ? {}
      : { discounts: discounts.map(({ code, amount }) => [code, String(amount)]) }),
    ...(madeUpFor === undefined ? {} : { madeUpFor: storedOf(madeUpFor) }),
  }
  return JSON.stringify(stored)
}

function storedOf({ bound, amount, counted }: MadeUpFor): NonNullable<Stored['madeUpFor']> {
  return { bound, amount: String(amount), counted: counted.map(one => [one.price, String(one.amount)]) }
}

export function extrasFrom(text: string): Extras {
  const { discounts, madeUpFor } = JSON.parse(text) as Stored
  return {
    ...(discounts === undefined
      ? {}
      : { discounts: discounts.map(([code, amount]) => ({ code, amount: BigInt(amount) })) }),
    ...(madeUpFor === undefined ? {} : { madeUpFor: madeUpForOf(madeUpFor) }),
  }
}

function madeUpForOf({ bound, amount, counted }: NonNullable<Stored['madeUpFor']>): MadeUpFor {
  return {
    bound,
    amount: BigInt(amount),
    counted: counted.map(([price, sum]) => ({ price, amount: BigInt(sum) })),
  }
}
