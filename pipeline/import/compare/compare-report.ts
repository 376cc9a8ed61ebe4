// The report of a comparison: totals by currency and by reason, then each customer, subscription and price.

import { formatScaled, type Scaled } from '../../../schemas/money/decimal.js'
import { plainTable } from '../../terminal/table.js'
import { type Compared, differenceOf, type Reason } from './difference.js'

export interface CompareReport {
  readonly system: string
  readonly period: string
  readonly compared: 'files' | 'running_weir'
  readonly equal: boolean
  readonly totals: readonly { currency: string; theirs: string; ours: string; difference: string }[]
  readonly reasons: readonly { reason: Reason; currency: string; amount: string; count: number }[]
  readonly prices: readonly {
    customer: string
    subscription: string
    price: string
    currency: string
    theirs: string
    ours: string
    difference: string
    parts: readonly { reason: Reason; amount: string; evidence: string; events?: readonly string[] }[]
  }[]
}

/** `accepted`: reasons that do not count against being equal. */
export function compareReport(
  head: Pick<CompareReport, 'system' | 'period' | 'compared'>,
  compared: readonly Compared[],
  accepted: ReadonlySet<string>,
): CompareReport {
  const totals = new Map<string, { theirs: Scaled; ours: Scaled }>()
  const reasons = new Map<string, { reason: Reason; currency: string; amount: Scaled; count: number }>()
  for (const { currency, theirs, ours, parts } of compared) {
    const total = totals.get(currency) ?? { theirs: 0n, ours: 0n }
    totals.set(currency, { theirs: total.theirs + theirs, ours: total.ours + ours })
    for (const { reason, amount } of parts) {
      const known = reasons.get(`${currency} ${reason}`) ?? { reason, currency, amount: 0n, count: 0 }
      reasons.set(`${currency} ${reason}`, {
        ...known,
        amount: known.amount + amount,
        count: known.count + 1,
      })
    }
  }
  return {
    ...head,
    equal: compared.every(one => one.parts.every(({ reason }) => accepted.has(reason))),
    totals: [...totals].map(([currency, { theirs, ours }]) => ({ currency, ...money(theirs, ours) })),
    reasons: [...reasons.values()].map(one => ({ ...one, amount: formatScaled(one.amount) })),
    prices: compared.map(one => ({
      ...{ customer: one.customer, subscription: one.subscription, price: one.price, currency: one.currency },
      ...money(one.theirs, one.ours),
      parts: one.parts.map(({ amount, ...part }) => ({ ...part, amount: formatScaled(amount) })),
    })),
  }
}

function money(theirs: Scaled, ours: Scaled) {
  return {
    theirs: formatScaled(theirs),
    ours: formatScaled(ours),
    difference: formatScaled(differenceOf({ ours, theirs })),
  }
}

export function describeComparison(report: CompareReport): string {
  const { system, period, compared, equal, totals, reasons, prices } = report
  const beside = compared === 'files' ? 'rated from the files' : 'of the running Weir'
  const parts = [`${system} beside ours (${beside}), service periods that begin in ${period}`]
  const right = ['left', 'right', 'right', 'right'] as const
  parts.push(
    plainTable(
      ['', 'theirs', 'ours', 'difference'],
      right,
      totals.map(one => [one.currency, one.theirs, one.ours, one.difference]),
    ),
  )
  if (reasons.length > 0) {
    const rows = reasons.map(one => [one.reason, one.currency, one.amount, String(one.count)])
    parts.push(
      '',
      plainTable(['reason', '', 'difference', 'prices'], ['left', 'left', 'right', 'right'], rows),
    )
  }
  const differing = prices.filter(one => one.parts.length > 0)
  if (differing.length > 0) {
    const rows = differing.flatMap(one =>
      one.parts.map((part, at) => [
        ...(at === 0
          ? [one.customer, one.subscription, one.price, one.theirs, one.ours, one.difference]
          : ['', '', '', '', '', '']),
        part.reason,
        part.amount,
        part.evidence,
      ]),
    )
    const head = [
      'customer',
      'subscription',
      'price',
      'theirs',
      'ours',
      'difference',
      'reason',
      'of it',
      'why',
    ]
    parts.push(
      '',
      plainTable(
        head,
        head.map((_, at) => ((at > 2 && at < 6) || at === 7 ? 'right' : 'left')),
        rows,
      ),
    )
  }
  parts.push(
    '',
    `${prices.length} prices compared, ${differing.length} differ${equal && differing.length > 0 ? ', for accepted reasons alone' : ''}.`,
  )
  return `${parts.join('\n')}\n`
}
