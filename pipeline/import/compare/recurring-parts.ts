// Why a recurring price comes to something else here: a part of a period, a quantity, another price, rounding.

import { divideRounded, formatScaled, magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import { formatInstant } from '../../../schemas/time.js'
import type { Part } from './difference.js'
import type { OwedKey, OwedTotal } from './our-side.js'
import { priceIn, unitAmounts } from './terms.js'
import { type BilledTotal, scaled } from './their-side.js'
import { type Evidence, exactOf, roundingPart } from './usage-parts.js'

/** Time zones lie at most this far apart. */
export const zoneNs = 26n * 3_600_000_000_000n

export function recurringParts(
  key: OwedKey,
  owed: OwedTotal,
  billed: BilledTotal,
  evidence: Evidence,
): Part[] {
  const parts: Part[] = []
  let amount = owed.exact
  const isProrated = billed.lines.some(line => line.proration === true)
  const told = billed.quantity
  if (!isProrated && told !== undefined && told !== owed.quantity && owed.quantity !== 0n) {
    const byQuantity = divideRounded(owed.exact * told, owed.quantity)
    parts.push({
      reason: 'quantity_differs',
      amount: amount - byQuantity,
      evidence: `a quantity of ${formatScaled(owed.quantity)} here, of ${formatScaled(told)} there`,
    })
    amount = byQuantity
  }
  const exact = exactOf(billed, amount)
  if (exact !== amount) parts.push(restOf(key, owed, billed, amount - exact, isProrated, evidence))
  parts.push(roundingPart(owed, billed, exact))
  return parts
}

function restOf(
  key: OwedKey,
  owed: OwedTotal,
  billed: BilledTotal,
  amount: Scaled,
  isProrated: boolean,
  { ours, findings }: Evidence,
): Part {
  const theirs = `${formatInstant(billed.fromNs)} to ${formatInstant(billed.untilNs)}`
  if (isProrated)
    return {
      reason: 'proration',
      amount,
      evidence: `they billed parts of the period, ${theirs}; here it is one`,
    }
  const [charge] = owed.charges
  if (charge !== undefined && (charge.fromNs !== billed.fromNs || charge.untilNs !== billed.untilNs)) {
    const isShift =
      magnitude(charge.fromNs - billed.fromNs) <= zoneNs &&
      magnitude(charge.untilNs - billed.untilNs) <= zoneNs
    const evidence = `their period is ${theirs}, ours ${formatInstant(charge.fromNs)} to ${formatInstant(charge.untilNs)}`
    if (!isShift || charge.untilNs - charge.fromNs !== billed.untilNs - billed.fromNs)
      return { reason: 'proration', amount, evidence }
    return { reason: 'period_boundary', amount, evidence }
  }
  const price = priceIn(ours.catalog, key.price, owed)
  const known = price === undefined ? [] : unitAmounts(price)
  const others = billed.lines
    .map(line => scaled(line.unit_amount))
    .filter(one => one !== undefined && !known.includes(one))
  if (others.length > 0)
    return {
      reason: 'price_differs',
      amount,
      evidence: `a unit is ${others.map(one => formatScaled(one!)).join(', ')} there; here ${known.map(formatScaled).join(', ')}`,
    }
  const found = findings.find(one => one.id === key.price && one.effect !== 'note')
  if (found !== undefined)
    return { reason: 'price_differs', amount, evidence: `${found.code}: ${found.detail}` }
  return {
    reason: 'unexplained',
    amount,
    evidence: `${billed.lines.length} lines there come to ${formatScaled(billed.rounded)}`,
  }
}
