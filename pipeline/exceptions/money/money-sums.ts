// Sums of money at stake by currency, and beside them how many exceptions are not in the sum.

import { z } from 'zod'
import { formatScaled, type Scaled } from '../../../schemas/money/decimal.js'
import type { AtStake } from './money-at-stake.js'

export const moneySchema = z
  .object({
    at_stake: z.array(z.object({ currency: z.string(), amount: z.string() })).describe('Exact, by currency'),
    known: z.int().describe('Exceptions in the sums'),
    not_known: z.int().describe('Exceptions whose amount is not known'),
    not_counted: z.int().describe('Exceptions beyond what is looked at in one answer'),
  })
  .meta({ id: 'MoneyAtStake' })

export type MoneyView = z.infer<typeof moneySchema>

export class MoneySums {
  readonly #amounts = new Map<string, Scaled>()
  #known = 0
  #notKnown = 0

  add(stake: AtStake): void {
    if (stake.kind === 'not_known') {
      this.#notKnown += 1
      return
    }
    this.#known += 1
    this.#amounts.set(stake.currency, (this.#amounts.get(stake.currency) ?? 0n) + stake.amount)
  }

  /** `count`: how many exceptions there are in all. */
  view(count: number): MoneyView {
    return {
      at_stake: [...this.#amounts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, amount]) => ({ currency, amount: formatScaled(amount) })),
      known: this.#known,
      not_known: this.#notKnown,
      not_counted: Math.max(0, count - this.#known - this.#notKnown),
    }
  }
}
