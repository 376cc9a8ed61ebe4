// What the usage must come to, by plain integer arithmetic on the price list's text: totals per customer, month and
// meter, priced once at the end. Shares nothing with rating/, so that a mistake there cannot hide here.

import { type PlanName, planOf, plans } from './price-list.js'

/** 10^-12, the place to which an amount is exact. */
const unit = 10n ** 12n

export interface Totals {
  readonly tokensIn: number
  readonly tokensOut: number
}

export class IndependentSum {
  /** Whole tokens, far below 2^53. By `<customer>/<month>`. */
  readonly #totals = new Map<string, { tokensIn: number; tokensOut: number }>()

  add(customer: number, timeMs: number, tokensIn: number, tokensOut: number): void {
    const time = new Date(timeMs)
    const key = `${customer}/${time.getUTCFullYear() * 12 + time.getUTCMonth()}`
    const totals = this.#totals.get(key)
    if (totals === undefined) this.#totals.set(key, { tokensIn, tokensOut })
    else {
      totals.tokensIn += tokensIn
      totals.tokensOut += tokensOut
    }
  }

  /** Scaled by 10^12. */
  amount(): bigint {
    let amount = 0n
    for (const [key, totals] of this.#totals) {
      const plan = planOf(Number(key.slice(0, key.indexOf('/'))))
      amount += priced(plan, 'input', totals.tokensIn) + priced(plan, 'output', totals.tokensOut)
    }
    return amount
  }

  tokens(): Totals {
    let tokensIn = 0
    let tokensOut = 0
    for (const totals of this.#totals.values()) {
      tokensIn += totals.tokensIn
      tokensOut += totals.tokensOut
    }
    return { tokensIn, tokensOut }
  }
}

interface Tier {
  readonly up_to: string | null
  readonly unit_amount: string
  readonly flat_amount?: string
}

function priced(plan: PlanName, name: 'input' | 'output', quantity: number): bigint {
  const price = plans.find(one => one.plan === plan)?.prices.find(one => one.price === name)
  if (price === undefined || price.kind !== 'usage') throw new Error(`${plan} has no price ${name}`)
  if (price.model === 'per_unit') return BigInt(quantity) * scaled(price.unit_amount)
  let amount = 0n
  let below = 0
  for (const tier of price.tiers as readonly Tier[]) {
    if (quantity <= below) break
    const upTo = tier.up_to === null ? quantity : Math.min(quantity, Number(tier.up_to))
    amount += BigInt(upTo - below) * scaled(tier.unit_amount) + scaled(tier.flat_amount ?? '0')
    below = upTo
  }
  return amount
}

/** Decimal text times 10^12. */
function scaled(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(whole) * unit + BigInt(fraction.padEnd(12, '0'))
}

/** As ClickHouse prints a Decimal: no zeros at its end. */
export function decimalText(scaledAmount: bigint): string {
  const digits = String(scaledAmount).padStart(13, '0')
  const fraction = digits.slice(-12).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, -12) : `${digits.slice(0, -12)}.${fraction}`
}
