// Seven thousand subscribers through simulate: MRR, active customers and churn to the cent.
//
// The real file is the IBM sample "Telco customer churn" (7,043 rows: tenure in months, monthly charge, churned or not);
// WEIR_TELCO_CSV names it, and it is no part of this repository. Without it that test is skipped and a synthetic file of
// the same form is held against a plain sum alone.
// A row is a subscription: created `tenure` months before a fixed date, its monthly charge a price override on one plan,
// cancelled at the fixed date when it churned.

import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { Dice } from '../testing/random/dice.js'
import { type SimulateResult, simulate } from './simulate.js'

const csvPath = process.env['WEIR_TELCO_CSV'] ?? ''

interface Subscriber {
  readonly customerId: string
  readonly tenureMonths: number
  readonly monthlyCharge: string
  readonly churned: boolean
}

interface Totals {
  readonly customers: number
  readonly mrr: string
}

/** The first of a month, so that so many months before it is a date of its own. */
const fixedYear = 2026
const monthsBefore = (months: number) => new Date(Date.UTC(fixedYear, -months, 1)).toISOString()
const fixedDateMs = Date.parse(monthsBefore(0))

function monthly(amount: string) {
  return { price: 'monthly', kind: 'recurring', amount, per: 'subscription', timing: 'in_arrears' }
}

function subscribersOf(csv: string): Subscriber[] {
  const [head, ...lines] = csv.trim().split(/\r?\n/)
  const columns = head!.split(',')
  return lines.map(line => {
    const cells = line.split(',')
    const cell = (name: string) => cells[columns.indexOf(name)] ?? ''
    return {
      customerId: cell('customerID'),
      tenureMonths: Number(cell('tenure')),
      monthlyCharge: cell('MonthlyCharges'),
      churned: cell('Churn') === 'Yes',
    }
  })
}

function eventsOf({ customerId, tenureMonths, monthlyCharge, churned }: Subscriber): string[] {
  const event = (kind: string, sequence: number, from: string, data: Record<string, unknown>) =>
    JSON.stringify({
      specversion: '1.0',
      id: `${customerId}/${sequence}`,
      source: 'crm',
      type: `weir.subscription.${kind}`,
      subject: customerId,
      time: from,
      data: {
        subscription_id: `sub_${customerId}`,
        customer_id: customerId,
        sequence,
        effective_from: from,
        ...data,
      },
    })
  const terms = { plan: 'telco', price_overrides: [monthly(monthlyCharge)] }
  const created = event('created', 1, monthsBefore(tenureMonths), terms)
  return churned ? [created, event('cancelled', 2, monthsBefore(0), {})] : [created]
}

function run(subscribers: readonly Subscriber[]): SimulateResult {
  const parsed = parseCatalogValue({
    plans: [{ plan: 'telco', version: 1, currency: 'USD', billing_period: 'month', prices: [monthly('0')] }],
  })
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const bodies = [Buffer.from(subscribers.flatMap(eventsOf).join('\n'))]
  return simulate({ catalog: parsed.catalog, bodies, asOfNs: nsOf(fixedDateMs), nowMs: fixedDateMs })
}

/** Who pays at the fixed date, and how much: the movements added up by customer. */
function activeOf({ movements }: SimulateResult): Totals {
  const byCustomer = new Map<string, Scaled>()
  for (const { customerId, amount } of movements) {
    byCustomer.set(customerId, (byCustomer.get(customerId) ?? 0n) + amount)
  }
  const paying = [...byCustomer.values()].filter(mrr => mrr !== 0n)
  return { customers: paying.length, mrr: formatScaled(sum(paying)) }
}

function churnedOf({ movements }: SimulateResult): Totals {
  const churn = movements.filter(movement => movement.kind === 'churn')
  return { customers: churn.length, mrr: formatScaled(-sum(churn.map(movement => movement.amount))) }
}

function plainTotals(subscribers: readonly Subscriber[]): Totals {
  const cents = subscribers.reduce((total, one) => total + Math.round(Number(one.monthlyCharge) * 100), 0)
  return { customers: subscribers.length, mrr: inUnits(cents) }
}

function expectPlainSums(subscribers: readonly Subscriber[], result: SimulateResult): void {
  const churned = subscribers.filter(one => one.churned)
  const events = subscribers.length + churned.length
  expect(result.events).toMatchObject({ received: events, applied: events })
  expect(activeOf(result)).toEqual(plainTotals(subscribers.filter(one => !one.churned)))
  expect(churnedOf(result)).toEqual(plainTotals(churned))
  const months = subscribers.reduce((total, one) => total + one.tenureMonths, 0)
  expect(result.charges).toHaveLength(months)
  const cents = subscribers.reduce(
    (total, one) => total + Math.round(Number(one.monthlyCharge) * 100) * one.tenureMonths,
    0,
  )
  expect(formatScaled(sum(result.charges.map(charge => charge.amountRounded)))).toBe(inUnits(cents))
}

const sum = (amounts: readonly Scaled[]) => amounts.reduce((total, amount) => total + amount, 0n)

/** The shortest decimal text of so many cents. */
function inUnits(cents: number): string {
  return formatScaled((BigInt(cents) * scaledOne) / 100n)
}

function syntheticCsv(rows: number, seed: number): string {
  const dice = new Dice(seed)
  const lines = Array.from({ length: rows }, (_, row) => {
    const churned = dice.chance(0.27)
    const tenure = churned ? 1 + dice.below(72) : dice.below(73)
    const cents = 1_825 + dice.below(10_051)
    return `${String(row).padStart(4, '0')}-SYNTH,${tenure},${(cents / 100).toFixed(2)},${churned ? 'Yes' : 'No'}`
  })
  return ['customerID,tenure,MonthlyCharges,Churn', ...lines].join('\r\n')
}

test('a synthetic file of subscribers gives the MRR, churn and charges of a plain sum', () => {
  const subscribers = subscribersOf(syntheticCsv(2_000, 7))
  expect(subscribers.filter(one => one.churned).length).toBeGreaterThan(400)
  expect(subscribers.filter(one => one.tenureMonths === 0).length).toBeGreaterThan(0)
  expectPlainSums(subscribers, run(subscribers))
})

test.skipIf(!existsSync(csvPath))(
  'the telco file: 5174 active customers with 316985.75 MRR, 1869 churned with 139130.85',
  () => {
    const subscribers = subscribersOf(readFileSync(csvPath, 'utf8'))
    expect(subscribers).toHaveLength(7_043)
    const result = run(subscribers)
    expect(activeOf(result)).toEqual({ customers: 5_174, mrr: '316985.75' })
    expect(churnedOf(result)).toEqual({ customers: 1_869, mrr: '139130.85' })
    expectPlainSums(subscribers, result)
  },
)

test('the plain sum is exact: every charge of the synthetic file has two places', () => {
  for (const { monthlyCharge } of subscribersOf(syntheticCsv(2_000, 7))) {
    const parsed = parseDecimal(monthlyCharge)
    const cents = BigInt(Math.round(Number(monthlyCharge) * 100))
    expect(parsed).toEqual({ kind: 'ok', value: (cents * scaledOne) / 100n })
  }
})
