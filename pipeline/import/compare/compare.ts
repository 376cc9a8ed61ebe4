// Compares what they billed in a period with what is owed here, price by price, and says why each difference is.
// Invariant: the parts of each difference add up to it, and so do all of them to the difference of the totals.

import type { Charge } from '../../../schemas/billing/charge.js'
import { formatScaled, magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import { formatInstant, parseInstant } from '../../../schemas/time.js'
import { groupedBy } from '../export-files.js'
import { textIn } from '../fields.js'
import type { BilledLine } from '../imported.js'
import { type Compared, completed, type Part } from './difference.js'
import { keyOf, keyOfCharge, type OwedKey, type OwedTotal, totalOf } from './our-side.js'
import { recurringParts, zoneNs } from './recurring-parts.js'
import { amountOf, type BilledTotal, billedTotal, isInPeriod } from './their-side.js'
import { type Evidence, usageParts } from './usage-parts.js'

export interface CompareInput extends Evidence {
  readonly billed: readonly BilledLine[]
  /** What a running Weir owes; undefined: what the files come to. */
  readonly live: ReadonlyMap<string, readonly Charge[]> | undefined
}

export function compare(input: CompareInput): readonly Compared[] {
  const { ours, billed, live } = input
  const inPeriod = billed.filter(line => isInPeriod(line, ours.period))
  const theirs = groupedBy(inPeriod, keyOf)
  const owed = live ?? ours.owed()
  const keys = new Map<string, OwedKey>()
  for (const lines of theirs.values()) keys.set(keyOf(lines[0]!), lines[0]!)
  for (const charges of owed.values()) keys.set(keyOf(keyOfCharge(charges[0]!)), keyOfCharge(charges[0]!))
  const found: Compared[] = []
  for (const [text, { customer, subscription, price, currency }] of [...keys].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const key = { customer, subscription, price, currency }
    const lines = theirs.get(text) ?? []
    const total = totalOf(owed.get(text) ?? [])
    if (lines.length === 0 && total.rounded === 0n && total.exact === 0n) continue
    const files = live === undefined ? total : totalOf(ours.owed().get(text) ?? [])
    found.push(comparedOf(key, lines, total, files, input))
  }
  return found
}

function comparedOf(
  key: OwedKey,
  lines: readonly BilledLine[],
  total: OwedTotal,
  files: OwedTotal,
  input: CompareInput,
): Compared {
  const theirs = lines.reduce((sum, line) => sum + amountOf(line), 0n)
  const ours = total.rounded
  const parts: Part[] = lines.flatMap(beside)
  const own = lines.filter(({ kind }) => kind === 'usage' || kind === 'recurring' || kind === 'commitment')
  if (files.rounded !== total.rounded)
    parts.push({
      reason: 'unexplained',
      amount: total.rounded - files.rounded,
      evidence: `the running Weir owes ${formatScaled(total.rounded)}, the files come to ${formatScaled(files.rounded)}`,
    })
  if (own.length === 0) parts.push(...onlyHere(key, files, input))
  else if (files.charges.length === 0 && !isSubscribed(key, input)) parts.push(...onlyThere(key, own, input))
  else {
    const billed = billedTotal(own)
    const isUsage =
      own.some(({ kind }) => kind === 'usage') || files.charges.some(({ kind }) => kind === 'usage')
    parts.push(
      ...(isUsage ? usageParts(key, files, billed, input) : recurringParts(key, files, billed, input)),
    )
  }
  return {
    ...key,
    theirs,
    ours,
    parts: completed(ours - theirs, parts, 'what is left when all reasons are taken off'),
  }
}

/** Lines that no price of ours stands for, whatever the usage. */
function beside(line: BilledLine): Part[] {
  const { kind, id, invoice, detail = '' } = line
  const evidence = `line ${id} of invoice ${invoice}${detail === '' ? '' : `: ${detail}`}`
  const amount = -amountOf(line)
  switch (kind) {
    case 'tax':
      return [{ reason: 'tax', amount, evidence }]
    case 'credit':
      return [{ reason: 'credit_or_coupon', amount, evidence }]
    case 'manual':
      return [{ reason: 'manual_line', amount, evidence }]
    case 'usage':
    case 'recurring':
    case 'commitment':
      return []
    default:
      return kind satisfies never
  }
}

function isSubscribed({ customer, subscription, price }: OwedKey, { ours }: CompareInput): boolean {
  const plans = new Set(
    ours
      .subscriptionsOf(customer)
      .filter(({ data }) => data['subscription_id'] === subscription)
      .map(({ data }) => `${textIn(data['plan'])} ${String(data['plan_version'])}`),
  )
  return ours.catalog.plans.some(
    one => plans.has(`${one.plan} ${one.version}`) && one.prices.some(own => own.price === price),
  )
}

function onlyHere(key: OwedKey, owed: OwedTotal, { billed, ours }: CompareInput): Part[] {
  if (owed.rounded === 0n) return []
  const [charge] = owed.charges
  const amount = owed.rounded
  const same = billed.filter(line => keyOf(line) === keyOf(key) && isBeside(line, charge))
  const here = `${formatInstant(charge?.fromNs ?? 0n)} to ${formatInstant(charge?.untilNs ?? 0n)}`
  if (same.length > 0)
    return [
      {
        reason: 'period_boundary',
        amount,
        evidence: `ours is ${here}; their lines begin outside of the period, at ${same
          .slice(0, 3)
          .map(line => line.from)
          .join(', ')}`,
      },
    ]
  const others = billed.filter(
    line => line.subscription === key.subscription && isInPeriod(line, ours.period),
  )
  if (charge?.kind === 'usage' && others.length > 0)
    return owed.quantity === 0n
      ? [{ reason: 'minimum', amount, evidence: `owed here without usage, ${here}; there is no line of it` }]
      : [
          {
            reason: 'usage_missing_there',
            amount,
            evidence: `here ${formatScaled(owed.quantity)} units, ${here}; there is no line of it`,
            events: [],
          },
        ]
  return [
    { reason: 'not_billed_there', amount, evidence: `owed here for ${here}; their export has no line of it` },
  ]
}

/** A line of the same period in another time zone. */
function isBeside(line: BilledLine, charge: Charge | undefined): boolean {
  const atNs = parseInstant(line.from)
  return (
    charge !== undefined &&
    atNs !== undefined &&
    magnitude(atNs - charge.fromNs) <= zoneNs &&
    (line.kind === 'usage' || line.kind === 'recurring')
  )
}

function onlyThere(key: OwedKey, lines: readonly BilledLine[], input: CompareInput): Part[] {
  const billed: BilledTotal = billedTotal(lines)
  const amount: Scaled = -billed.rounded
  const names = [key.price, key.subscription, key.customer].filter(name => name !== '')
  const why = names
    .map(name => input.findings.find(one => one.id === name && one.effect === 'left_out'))
    .find(one => one !== undefined)
  if (why !== undefined)
    return [
      { reason: 'not_expressible', amount, evidence: `${why.object} ${why.id}: ${why.code}: ${why.detail}` },
    ]
  if (lines.some(line => line.proration === true))
    return [
      {
        reason: 'proration',
        amount,
        evidence: `they billed parts of a period by a price that the subscription has no more, ${lines[0]?.id}`,
      },
    ]
  if (lines.every(({ kind }) => kind === 'commitment'))
    return [{ reason: 'minimum', amount, evidence: `line ${lines[0]?.id} of invoice ${lines[0]?.invoice}` }]
  const isTaken = input.ours
    .subscriptionsOf(key.customer)
    .some(({ data }) => data['subscription_id'] === key.subscription)
  if (isTaken && key.price !== '')
    return [
      {
        reason: 'price_differs',
        amount,
        evidence: `billed by ${key.price}, which the subscription's plan does not have here`,
      },
    ]
  if (!isTaken)
    return [
      {
        reason: 'not_expressible',
        amount,
        evidence: `the subscription ${key.subscription || '(none)'} is not among those that were taken`,
      },
    ]
  return [{ reason: 'unexplained', amount, evidence: `line ${lines[0]?.id} of invoice ${lines[0]?.invoice}` }]
}
