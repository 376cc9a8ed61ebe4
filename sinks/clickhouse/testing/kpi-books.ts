// Random books for the business figures: what happened, and the rows that it makes in the tables that kpi_daily reads.

import { Decimal } from 'decimal.js'
import fc from 'fast-check'

export interface Batch {
  readonly run: number
  readonly entity: string
  readonly currency: string
  readonly sealedMs: number
}

export interface Charge {
  readonly batch: number
  readonly customer: string
  readonly cents: number
}

export interface Entry {
  readonly charge: number
  readonly postedMs: number
  /** What is wrong with it: nothing, another amount, or not balanced. */
  readonly fault: 'none' | 'amount' | 'balance'
  readonly accountingDay: string
}

export interface Payment {
  readonly payment: number
  readonly invoice: number
  readonly status: 'succeeded' | 'failed' | 'refunded'
  readonly cents: number
  readonly atMs: number
}

export interface Invoice {
  readonly invoice: number
  readonly customer: string
  readonly status: 'finalized' | 'paid' | 'voided'
  readonly cents: number
  readonly atMs: number
}

export interface Outcome {
  readonly id: number
  readonly correlation: string
  readonly atMs: number
  readonly ingestedMs: number
  readonly recordedMs: number
  readonly disposition: 'applied' | 'parked' | 'unmetered'
  readonly count: 1 | -1
}

export interface Letter {
  readonly id: number
  readonly code: string
  readonly ingestedMs: number
  readonly recordedMs: number
  readonly count: 1 | -1
}

export interface Books {
  readonly batches: readonly Batch[]
  readonly charges: readonly Charge[]
  readonly entries: readonly Entry[]
  readonly payments: readonly Payment[]
  readonly invoices: readonly Invoice[]
  readonly outcomes: readonly Outcome[]
  readonly letters: readonly Letter[]
}

const firstMs = Date.parse('2026-01-29T00:00:00Z')
const ms = fc
  .integer({ min: 0, max: 40 * 86_400 })
  .map(seconds => firstMs + seconds * 1_000 + (seconds % 1_000))
const currency = fc.constantFrom('EUR', 'USD')
const customer = fc.constantFrom('a', 'b', 'c')
const types = [
  'weir.subscription.created',
  'weir.subscription.renewed',
  'weir.subscription.amended',
  'crm.quote',
]

const loose: fc.Arbitrary<Books> = fc.record({
  batches: fc.array(
    fc.record({ run: fc.nat(2), entity: fc.constantFrom('', 'de'), currency, sealedMs: ms }),
    { minLength: 1, maxLength: 5, size: 'max' },
  ),
  charges: fc.array(fc.record({ batch: fc.nat(4), customer, cents: fc.integer({ min: -500, max: 900 }) }), {
    minLength: 8,
    maxLength: 12,
    size: 'max',
  }),
  entries: fc.array(
    fc.record({
      charge: fc.nat(11),
      postedMs: ms,
      fault: fc.constantFrom('none', 'none', 'amount', 'balance'),
      accountingDay: fc.constantFrom('2026-01-31', '2026-02-01', '2026-02-28', '2026-03-01'),
    }) as fc.Arbitrary<Entry>,
    { minLength: 6, maxLength: 12, size: 'max' },
  ),
  payments: fc.array(
    fc.record({
      payment: fc.nat(4),
      invoice: fc.nat(4),
      status: fc.constantFrom('succeeded', 'failed', 'refunded'),
      cents: fc.nat(900),
      atMs: ms,
    }) as fc.Arbitrary<Payment>,
    { maxLength: 12, size: 'max' },
  ),
  invoices: fc.array(
    fc.record({
      invoice: fc.integer({ min: 1, max: 4 }),
      customer,
      status: fc.constantFrom('finalized', 'paid', 'voided'),
      cents: fc.integer({ min: -100, max: 900 }),
      atMs: ms,
    }) as fc.Arbitrary<Invoice>,
    { maxLength: 8, size: 'max' },
  ),
  outcomes: fc.array(
    fc.record({
      id: fc.nat(5),
      correlation: fc.constantFrom('', 'q1', 'q2'),
      atMs: ms,
      ingestedMs: ms,
      recordedMs: ms,
      disposition: fc.constantFrom('applied', 'parked', 'unmetered'),
      count: fc.constantFrom(1, 1, -1),
    }) as fc.Arbitrary<Outcome>,
    { maxLength: 12, size: 'max' },
  ),
  letters: fc.array(
    fc.record({
      id: fc.nat(5),
      code: fc.constantFrom('invalid_data', 'tax_rate_missing', 'conflicting_duplicate'),
      ingestedMs: ms,
      recordedMs: ms,
      count: fc.constantFrom(1, 1, -1),
    }) as fc.Arbitrary<Letter>,
    { maxLength: 8, size: 'max' },
  ),
})

/** Charges are of batches that are there, entries of charges that are there. */
export const books: fc.Arbitrary<Books> = loose.map(all => {
  const { batches, charges, entries } = all
  const billable = batches.length === 0 ? [] : charges
  return {
    ...all,
    charges: billable.map(charge => ({ ...charge, batch: charge.batch % batches.length })),
    entries:
      billable.length === 0
        ? []
        : entries.map(entry => ({ ...entry, charge: entry.charge % billable.length })),
  }
})

export const at = (instantMs: number) => new Date(instantMs).toISOString()
export const dayOf = (instantMs: number) => at(instantMs).slice(0, 10)
export const money = (cents: number) => new Decimal(cents).div(100)
const invoiceName = (invoice: number) => (invoice === 0 ? '' : `i${invoice}`)
/** Of what happened at one instant the earlier in the list comes first. */
const eventName = (index: number) => String(index).padStart(3, '0')
/** An event is of one type. */
export const typeOf = (id: number) => types[id % types.length]!
/** A payment is of one currency. */
export const currencyOfPayment = (payment: number) => (payment % 2 === 0 ? 'EUR' : 'USD')

/** Charges whose batch is there, with their number. */
export function billed({ batches, charges }: Books) {
  return charges.flatMap((charge, id) => {
    const batch = batches[charge.batch]
    return batch === undefined ? [] : [{ ...charge, id, of: batch }]
  })
}

export function bookRows(all: Books): Readonly<Record<string, readonly object[]>> {
  const lines = all.entries.flatMap((entry, id) => {
    const charge = billed(all).find(one => one.id === entry.charge)
    if (charge === undefined) return []
    const right = money(Math.abs(charge.cents))
    const debit = entry.fault === 'none' ? right : right.plus(1)
    const credit = entry.fault === 'balance' ? right : debit
    const line = {
      journal_id: `j${id}`,
      charge_id: `c${charge.id}`,
      batch_id: `b${charge.batch}`,
      entity_id: charge.of.entity,
      currency: charge.of.currency,
      accounting_date: entry.accountingDay,
      posted_at: at(entry.postedMs),
    }
    return [
      { ...line, line: 1, debit: debit.toFixed(), credit: '0' },
      { ...line, line: 2, debit: '0', credit: credit.toFixed() },
    ]
  })
  return {
    billing_batches: all.batches.map(({ run, entity, currency: of, sealedMs }, index) => ({
      batch_id: `b${index}`,
      billing_run_id: `r${run}`,
      entity_id: entity,
      currency: of,
      sealed_at: at(sealedMs),
      stream_sequence: index + 1,
    })),
    charges: billed(all).map(({ id, customer: of, cents, of: batch }) => ({
      charge_id: `c${id}`,
      customer_id: of,
      entity_id: batch.entity,
      currency: batch.currency,
      amount_rounded: money(cents).toFixed(),
      billing_run_id: `r${batch.run}`,
    })),
    journal_entries: lines,
    ...moneyRows(all),
    ...eventRows(all),
  }
}

function moneyRows(all: Books): Readonly<Record<string, readonly object[]>> {
  return {
    payments: all.payments.map(({ payment, invoice, status, cents, atMs }, index) => ({
      event_id: eventName(index),
      payment_id: `p${payment}`,
      invoice_id: invoiceName(invoice),
      status,
      currency: currencyOfPayment(payment),
      amount: money(cents).toFixed(),
      event_time: at(atMs),
    })),
    invoices: all.invoices.map(({ invoice, customer: of, status, cents, atMs }, index) => ({
      event_id: eventName(index),
      total: money(cents).toFixed(),
      invoice_id: invoiceName(invoice),
      customer_id: of,
      currency: 'EUR',
      status,
      event_time: at(atMs),
    })),
  }
}

function eventRows(all: Books): Readonly<Record<string, readonly object[]>> {
  return {
    event_outcomes: all.outcomes.map(one => ({
      event_source: 's',
      event_id: `e${one.id}`,
      event_type: typeOf(one.id),
      event_time: at(one.atMs),
      ingested_at: at(one.ingestedMs),
      recorded_at: at(one.recordedMs),
      disposition: one.disposition,
      event_count: one.count,
      correlation_id: one.correlation,
    })),
    dead_letters: all.letters.map(({ id, code, ingestedMs, recordedMs, count }) => ({
      event_source: 's',
      event_id: `e${id}`,
      event_type: typeOf(id),
      code,
      ingested_at: at(ingestedMs),
      recorded_at: at(recordedMs),
      event_count: count,
    })),
  }
}
