// What a run leaves out because people hold it back: whether a charge is held, and what it would have come to.
// Invariant: nothing of the state changes for what is held, so the next run without the hold bills it as if none had been.

import { accountingDate } from '../../../rating/recognition/recognise.js'
import type { Charge } from '../../../schemas/billing/charge.js'
import type { HeldBack, HeldFromRuns } from '../../../schemas/billing/held-back.js'
import { formatScaled, type Scaled } from '../../../schemas/money/decimal.js'

/** What is held of one customer; undefined: nothing. */
export type HoldsOfCustomer = ReadonlyMap<string | null, HeldFromRuns>

export function holdsByCustomer(holds: readonly HeldFromRuns[]): ReadonlyMap<string, HoldsOfCustomer> {
  const byCustomer = new Map<string, Map<string | null, HeldFromRuns>>()
  for (const hold of holds) {
    const own = byCustomer.get(hold.customer_id) ?? new Map<string | null, HeldFromRuns>()
    byCustomer.set(hold.customer_id, own.set(hold.subscription_id, hold))
  }
  return byCustomer
}

/** The hold of the customer before that of the subscription. */
export function holdOf(holds: HoldsOfCustomer, subscriptionId: string): HeldFromRuns | undefined {
  return holds.get(null) ?? holds.get(subscriptionId)
}

interface Sum {
  readonly hold: HeldFromRuns
  readonly entityId: string
  readonly currency: string
  lines: number
  amount: Scaled
  first: string
  last: string
}

export class HeldBackSums {
  readonly #sums = new Map<string, Sum>()

  add(hold: HeldFromRuns, line: Charge, cutoffNs: bigint): void {
    const { entityId, currency } = line
    const key = JSON.stringify([hold.customer_id, hold.subscription_id, entityId, currency])
    const date = accountingDate(line, cutoffNs)
    const sum = this.#sums.get(key) ?? {
      ...{ hold, entityId, currency, lines: 0, amount: 0n },
      ...{ first: date, last: date },
    }
    this.#sums.set(key, sum)
    sum.lines += 1
    sum.amount += line.amountRounded
    if (date < sum.first) sum.first = date
    if (date > sum.last) sum.last = date
  }

  get all(): HeldBack[] {
    return [...this.#sums.values()].map(({ hold, entityId, currency, lines, amount, first, last }) => ({
      customer_id: hold.customer_id,
      subscription_id: hold.subscription_id,
      entity_id: entityId,
      currency,
      line_count: lines,
      amount_rounded: formatScaled(amount),
      first_date: first,
      last_date: last,
    }))
  }
}
