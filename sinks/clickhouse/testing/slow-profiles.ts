// Random subscriptions and charges, and the MRR movements by the rules of each profile, computed the slow and obvious way
// from the definitions in migrations/0006_mrr_profiles.sql.

import type { Decimal } from 'decimal.js'
import fc from 'fast-check'
import type { ChargeRow } from './focus-charges.js'
import { Exact, instant, type Movement } from './slow-reporting.js'

export const profiles = ['weir', 'stripe', 'chartmogul', 'profitwell', 'finance'] as const
export type Profile = (typeof profiles)[number]

export interface Version {
  readonly customer_id: string
  readonly subscription_id: string
  readonly sequence: number
  readonly status: string
  readonly effective_from: string
  readonly effective_until: string | null
}

export const versions: fc.Arbitrary<Version[]> = fc.uniqueArray(
  fc.record({
    customer_id: fc.constantFrom('a', 'b'),
    subscription_id: fc.constantFrom('s', 't'),
    sequence: fc.integer({ min: 1, max: 5 }),
    status: fc.constantFrom('active', 'active', 'suspended', 'cancelled'),
    effective_from: instant,
    effective_until: fc.option(instant, { nil: null, freq: 4 }),
  }),
  { selector: one => `${one.customer_id} ${one.subscription_id} ${one.sequence}`, maxLength: 8 },
)

export interface Facts {
  readonly movements: readonly (Movement & { readonly subscription_id: string })[]
  readonly charges: readonly (ChargeRow & { readonly subscription_id: string })[]
  readonly versions: readonly Version[]
}

export interface Counted {
  readonly at: string
  readonly customer: string
  readonly currency: string
  readonly kind: string
  readonly amount: Decimal
}

interface Row extends Counted {
  readonly subscription: string
}

export const monthOf = (at: string): string => `${at.slice(0, 7)}-01`
const isoBefore = (at: string): string => new Date(Date.parse(at) - 1).toISOString()
const bySign = (amount: Decimal): string => (amount.gt(0) ? 'expansion' : 'contraction')
const sum = (some: readonly Counted[]): Decimal =>
  some.reduce((all, one) => all.plus(one.amount), new Exact(0))

export function slowProfile(profile: Profile, facts: Facts): Counted[] {
  const rows: Row[] = facts.movements.map(one => ({
    at: one.effective_at,
    customer: one.customer_id,
    subscription: one.subscription_id,
    currency: one.currency,
    kind: one.kind,
    amount: new Exact(one.amount),
  }))
  switch (profile) {
    case 'weir':
      return rows
    case 'stripe':
      return withoutTransfers(rows)
    case 'chartmogul':
      return [...withoutTransfers(freeIsActive(rows, facts)), ...usage(facts)]
    case 'profitwell':
      return [...sameMonthIgnored(paidUntil(withoutTransfers(rows), rows, facts)), ...usage(facts)]
    case 'finance':
      return nettedByMonth(rows)
    default:
      return profile satisfies never
  }
}

function withoutTransfers(rows: readonly Row[]): Row[] {
  return rows.map(row => {
    if (row.kind !== 'transfer') return row
    const isSame = (one: Row): boolean =>
      one.kind === 'transfer' &&
      [one.at, one.customer, one.subscription, one.currency].join() ===
        [row.at, row.customer, row.subscription, row.currency].join()
    return { ...row, kind: bySign(sum(rows.filter(isSame))) }
  })
}

function freeIsActive(rows: readonly Row[], { versions }: Facts): Row[] {
  const isActive = (customer: string, at: string): boolean =>
    ['s', 't'].some(subscription => {
      const inForce = versions
        .filter(one => one.customer_id === customer && one.subscription_id === subscription)
        .filter(one => one.effective_from <= at)
        .sort((x, y) => x.sequence - y.sequence)
        .at(-1)
      return (
        inForce?.status === 'active' && (inForce.effective_until === null || inForce.effective_until > at)
      )
    })
  return rows.map(row => {
    const left = rows
      .filter(one => one.kind === 'churn' && one.customer === row.customer && one.at <= row.at)
      .map(one => one.at)
      .sort()
      .at(-1)
    if (left === undefined || !isActive(row.customer, left)) return row
    if (row.kind === 'churn') return { ...row, kind: 'contraction' }
    return row.kind === 'reactivation' ? { ...row, kind: 'expansion' } : row
  })
}

function paidUntil(rows: readonly Row[], ledger: readonly Row[], { charges }: Facts): Row[] {
  return rows.map(row => {
    if (row.kind !== 'churn') return row
    const own = ledger.filter(one => one.customer === row.customer)
    const left = own.filter(one => one.kind === 'churn' && one.at === row.at).map(one => one.subscription)
    const paid = charges
      .filter(
        one => one.kind === 'recurring' && one.timing === 'in_advance' && one.customer_id === row.customer,
      )
      .filter(one => left.includes(one.subscription_id))
      .filter(one => one.period_from <= row.at && one.period_until > row.at)
      .map(one => one.period_until)
      .sort()
      .at(-1)
    if (paid === undefined) return row
    const next = own
      .map(one => one.at)
      .filter(at => at > row.at)
      .sort()[0]
    return { ...row, at: next !== undefined && next < paid ? next : paid }
  })
}

function sameMonthIgnored(rows: readonly Row[]): Row[] {
  return rows.filter(row => {
    const there = rows.filter(one => one.customer === row.customer && monthOf(one.at) === monthOf(row.at))
    const byCurrency = [...new Set(there.map(one => one.currency))].map(currency =>
      there.filter(one => one.currency === currency),
    )
    const has = (kind: string): boolean =>
      byCurrency.some(own => !sum(own.filter(one => one.kind === kind)).isZero())
    return !(has('new_business') && has('churn') && byCurrency.every(own => sum(own).isZero()))
  })
}

function usage({ charges }: Facts): Counted[] {
  const billed = charges.filter(one => one.meter !== '')
  return billed.flatMap(one => {
    const month = monthOf(isoBefore(one.period_until))
    const last = billed
      .filter(other => other.currency === one.currency)
      .map(other => monthOf(isoBefore(other.period_until)))
      .sort()
      .at(-1)!
    const counted = { customer: one.customer_id, currency: one.currency, kind: 'usage' }
    const amount = new Exact(one.amount_rounded)
    const [year, number] = month.split('-').map(Number) as [number, number]
    const next = new Date(Date.UTC(year, number, 1)).toISOString()
    return [
      { ...counted, at: month, amount },
      ...(month < last ? [{ ...counted, at: next, amount: amount.neg() }] : []),
    ]
  })
}

function nettedByMonth(rows: readonly Row[]): Counted[] {
  const counted: Counted[] = []
  for (const customer of new Set(rows.map(one => one.customer))) {
    const own = rows.filter(one => one.customer === customer)
    const currencies = [...new Set(own.map(one => one.currency))]
    let hasPaid = false
    for (const month of [...new Set(own.map(one => monthOf(one.at)))].sort()) {
      const upTo = (isIn: (m: string) => boolean, currency: string): Decimal =>
        sum(own.filter(one => one.currency === currency && isIn(monthOf(one.at))))
      const nets = currencies.map(currency => ({ currency, amount: upTo(m => m === month, currency) }))
      const paid = currencies.some(currency => upTo(m => m < month, currency).gt(0))
      const pays = currencies.some(currency => upTo(m => m <= month, currency).gt(0))
      const isBothWays = nets.some(one => one.amount.gt(0)) && nets.some(one => one.amount.lt(0))
      for (const { currency, amount } of nets) {
        let kind = bySign(amount)
        if (isBothWays) kind = 'transfer'
        if (paid && !pays) kind = 'churn'
        if (pays && !paid) kind = hasPaid ? 'reactivation' : 'new_business'
        counted.push({ at: month, customer, currency, kind, amount })
      }
      hasPaid ||= pays
    }
  }
  return counted
}
