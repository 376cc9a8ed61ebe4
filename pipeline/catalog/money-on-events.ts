// Who would pay how much more or less, on events from files: both catalogs through `simulate`, the charges held against each
// other as a replay holds them.
// Invariants: every version of a plan gets the content of its newest new version, as in a replay; sums are exact.

import type { Charge } from '../../schemas/billing/charge.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { formatScaled, type Scaled } from '../../schemas/money/decimal.js'
import { formatInstant } from '../../schemas/time.js'
import { addUpPrices, type SumsByCurrency, sumsByCurrency } from '../replay/replay-report.js'
import type { ChargeLine, CustomerLine, DifferenceLine, PriceLine } from '../replay/replay-store.js'
import { ChargeDifferences } from '../shadow/charge-differences.js'
import { whatIfCatalog } from '../shadow/what-if-catalog.js'
import { type SimulateResult, simulate } from '../simulate/simulate.js'

export interface MoneyInput {
  readonly published: Catalog
  /** What is new alone. */
  readonly added: Catalog
  readonly bodies: readonly Uint8Array[]
  /** Charges whose service period begins in it; undefined: all of them. */
  readonly stretch: { readonly fromNs: bigint; readonly untilNs: bigint } | undefined
  readonly customerId: string | undefined
  readonly nowMs: number
}

export interface MrrLine {
  readonly customer_id: string
  readonly currency: string
  readonly mrr_before: string
  readonly mrr_after: string
  readonly mrr_change: string
}

export interface Money {
  readonly as_of: string
  readonly customers_changed: number
  readonly subscriptions_changed: number
  readonly totals: readonly SumsByCurrency[]
  readonly prices: readonly PriceLine[]
  readonly customers: readonly CustomerLine[]
  readonly charges: readonly ChargeLine[]
  /** Customers whose MRR differs at `as_of`. */
  readonly mrr: readonly MrrLine[]
  /** Events that a side refuses, by code, where the sides differ. */
  readonly refused: readonly { readonly code: string; readonly before: number; readonly after: number }[]
}

export function moneyOnEvents(input: MoneyInput): Money {
  const { published, added, bodies, stretch, nowMs } = input
  const run = (catalog: Catalog) => simulate({ catalog, bodies, asOfNs: stretch?.untilNs, nowMs })
  const [before, after] = [run(published), run(whatIfCatalog(published, added))]
  const lines = differences(chargesOf(before, input), chargesOf(after, input))
  const prices = addUpPrices(lines.filter(line => line.by === 'price'))
  const charges = lines.filter(line => line.by === 'charge')
  const customers = lines.filter(line => line.by === 'customer')
  return {
    as_of: formatInstant(after.asOfNs),
    customers_changed: new Set(customers.map(line => line.customer_id)).size,
    subscriptions_changed: new Set(charges.map(line => line.subscription_id)).size,
    totals: sumsByCurrency(prices),
    prices,
    customers,
    charges,
    mrr: mrrChanges(before, after, input),
    refused: refusedChanges(before, after),
  }
}

function chargesOf(
  { charges }: SimulateResult,
  { stretch, customerId }: MoneyInput,
): Map<string, readonly Charge[]> {
  const asked = charges.filter(
    one =>
      (stretch === undefined || (one.fromNs >= stretch.fromNs && one.fromNs < stretch.untilNs)) &&
      (customerId === undefined || one.customerId === customerId),
  )
  const byCustomer = new Map<string, Charge[]>()
  for (const one of asked) {
    const known = byCustomer.get(one.customerId)
    if (known === undefined) byCustomer.set(one.customerId, [one])
    else known.push(one)
  }
  return byCustomer
}

function differences(
  before: ReadonlyMap<string, readonly Charge[]>,
  after: ReadonlyMap<string, readonly Charge[]>,
): DifferenceLine[] {
  const found = new ChargeDifferences()
  for (const customer of [...new Set([...before.keys(), ...after.keys()])].sort())
    found.compare(before.get(customer) ?? [], after.get(customer) ?? [])
  return [found.takeLines(), found.takePrices()].flatMap(bytes =>
    Buffer.from(bytes)
      .toString('utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as DifferenceLine),
  )
}

function mrrChanges(before: SimulateResult, after: SimulateResult, { customerId }: MoneyInput): MrrLine[] {
  const [was, is] = [mrrOf(before), mrrOf(after)]
  return [...new Set([...was.keys(), ...is.keys()])].sort().flatMap(key => {
    const [from, to] = [was.get(key), is.get(key)]
    const { customer, currency } = (to ?? from)!
    const [less, more] = [from?.mrr ?? 0n, to?.mrr ?? 0n]
    if (less === more || (customerId !== undefined && customer !== customerId)) return []
    const texts = [less, more, more - less].map(formatScaled)
    return [
      {
        customer_id: customer,
        currency,
        mrr_before: texts[0]!,
        mrr_after: texts[1]!,
        mrr_change: texts[2]!,
      },
    ]
  })
}

function mrrOf({ movements }: SimulateResult) {
  const found = new Map<string, { readonly customer: string; readonly currency: string; mrr: Scaled }>()
  for (const { customerId: customer, currency, amount } of movements) {
    const key = compositeKey(customer, currency)
    const known = found.get(key)
    if (known === undefined) found.set(key, { customer, currency, mrr: amount })
    else known.mrr += amount
  }
  return found
}

function refusedChanges(before: SimulateResult, after: SimulateResult): Money['refused'] {
  const count = ({ deadLetters }: SimulateResult, code: string) =>
    deadLetters.filter(one => one.code === code).length
  const codes = new Set([...before.deadLetters, ...after.deadLetters].map(one => one.code))
  return [...codes]
    .sort()
    .map(code => ({ code, before: count(before, code), after: count(after, code) }))
    .filter(one => one.before !== one.after)
}
