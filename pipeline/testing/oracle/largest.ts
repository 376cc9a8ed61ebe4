// The oracle's bound. Contract section 1: amounts have 38 digits, 26 of them before the point. A change is refused when, by
// itself, one of its prices would come to more in a whole billing period or at once, paid or exact, or its MRR at any time.

import { Exact } from '../../../rating/testing/exact.js'
import { slowAmount } from '../../../rating/testing/slow-oracle.js'
import type { Catalog, Plan } from '../../../schemas/catalog/catalog.js'
import { keptShare, wholePeriod } from './charges.js'
import { mrrOf } from './movements.js'
import { owedOnce } from './one-offs.js'
import { payable } from './payable.js'
import { type Line, never, type OneOff } from './prices.js'

export function isTooLarge(lines: readonly Line[], oneOffs: readonly OneOff[], catalog: Catalog): boolean {
  const owed = lines
    .filter(line => !line.trial)
    .some(line => isBeyond(withoutUsage(line, catalog), line.plan))
  if (owed || oneOffs.some(one => isBeyond(owedOnce(one), one.plan))) return true
  const instants = [...new Set(lines.flatMap(line => [line.fromNs, line.untilNs]))].filter(at => at !== never)
  return [...new Set(lines.map(line => line.plan.currency))].some(currency =>
    instants.some(atNs => {
      const [before, at] = [mrrOf({ lines }, currency, atNs - 1n), mrrOf({ lines }, currency, atNs)]
      return [at, at.minus(before)].some(mrr => digitsBeforePoint(mrr.toPlaces(12, 'away')) > 26)
    }),
  )
}

function isBeyond(exact: Exact, plan: Plan): boolean {
  const amount = exact.toPlaces(12, 'away')
  return digitsBeforePoint(amount) > 26 || digitsBeforePoint(payable(amount, plan)) > 26
}

/**
 * The amount in a whole period: a recurring price counts in full, a usage price with what it charges for no
 * usage.
 */
function withoutUsage({ price, plan: _, quantity, fromNs }: Line, catalog: Catalog): Exact {
  if (price.kind === 'recurring') return wholePeriod(price, quantity).times(keptShare(price))
  if (price.kind === 'one_off') throw new Error(`${price.price} is in no line.`)
  const meter = catalog.meters.find(one => one.meter === price.meter)!
  const period = { fromNs, untilNs: fromNs + 1n }
  const fraction = { numerator: 1n, denominator: 1n }
  return slowAmount({ price, meter, fraction, trial: false, ...period, period }, [], () => Exact.of(0))
}

function digitsBeforePoint(amount: string): number {
  return amount.replace('-', '').split('.')[0]!.length
}
