// The report of a replay for people: what the terms change, then the sums by price, then who pays how much more or less.

import { parseDecimal } from '../../schemas/money/decimal.js'
import { plainTable } from '../terminal/table.js'
import type { PlanChange } from './plan-changes.js'
import type { ReplayReport } from './replay-report.js'
import type { CustomerLine } from './replay-store.js'

/** Customers in the table; CSV and JSON have all of them. */
const mostCustomers = 20

/** `origin`: a sentence, of what computed it. */
export function describeReplay(
  origin: string,
  report: ReplayReport,
  customers: readonly CustomerLine[],
): string {
  const { request } = report
  const from = `Charges whose service period begins from ${request.from} up to ${request.until}`
  const parts = [
    `${from}, by what the ${request.source === 'input' ? 'streams' : 'rated rows'} hold. ${origin}`,
    ...request.notes,
    ...report.plan_changes.map(describePlan),
    ...moneyTables(report, customers),
  ]
  const refused = Object.entries(report.refused).filter(([, count]) => count > 0)
  if (refused.length > 0) {
    const counts = refused.map(([code, count]) => `${count} ${code}`).join(', ')
    parts.push(`Usage that the replay refused: ${counts}.`)
  }
  return `${parts.join('\n\n')}\n`
}

/** Sums by price and currency, and the customers with the largest differences. */
export function moneyTables(
  { prices, totals }: { readonly [of in 'prices' | 'totals']: Readonly<ReplayReport[of]> },
  customers: readonly CustomerLine[],
): string[] {
  return [
    pricesTable(prices),
    ...totals.map(
      ({ currency, changed, charges, amount_rounded_before: before, ...sums }) =>
        `${currency}: ${before} before, ${sums.amount_rounded_after} after, ${signed(sums.amount_rounded_change)}; ` +
        `${changed} of ${charges} charges differ.`,
    ),
    customers.length > 0 ? customersTable(customers) : 'No charge differs.',
  ]
}

function describePlan({ plan, from_version: from, to_version: to, terms, prices }: PlanChange): string {
  const head = from === null ? `Plan ${plan}: version ${to} is new` : `Plan ${plan}: version ${from} to ${to}`
  const lines = prices.map(({ price, change, before, after }) => {
    if (change === 'changed') return `  ${price}: ${JSON.stringify(before)} becomes ${JSON.stringify(after)}`
    return `  ${price} is ${change}: ${JSON.stringify(after ?? before)}`
  })
  if (terms !== null && from !== null) {
    lines.unshift(`  ${JSON.stringify(terms.before)} becomes ${JSON.stringify(terms.after)}`)
  }
  return [head, ...lines].join('\n')
}

function pricesTable(prices: Readonly<ReplayReport['prices']>): string {
  const head = ['plan', 'price', '', 'charges', 'differ', 'before', 'after', 'change']
  const rows = prices.map(line => [
    line.plan,
    line.price,
    line.currency,
    String(line.charges),
    String(line.changed),
    line.amount_before,
    line.amount_after,
    signed(line.amount_change),
  ])
  return plainTable(head, ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right'], rows)
}

function customersTable(customers: readonly CustomerLine[]): string {
  const largest = customers.toSorted((a, b) => {
    const [one, other] = [magnitude(a), magnitude(b)]
    return one === other ? (a.customer_id < b.customer_id ? -1 : 1) : one > other ? -1 : 1
  })
  const rows = largest
    .slice(0, mostCustomers)
    .map(line => [
      line.customer_id,
      line.currency,
      line.amount_rounded_before,
      line.amount_rounded_after,
      signed(line.amount_rounded_change),
    ])
  const head = ['customer', '', 'before', 'after', 'change']
  const table = plainTable(head, ['left', 'left', 'right', 'right', 'right'], rows)
  const more = customers.length - rows.length
  return more > 0 ? `${table}\nand ${more} more: --format csv has all of them.` : table
}

export function signed(text: string): string {
  return text.startsWith('-') || text === '0' ? text : `+${text}`
}

function magnitude({ amount_rounded_change: change }: CustomerLine): bigint {
  const parsed = parseDecimal(change.replace(/^-/, ''))
  return parsed.kind === 'ok' ? parsed.value : 0n
}
