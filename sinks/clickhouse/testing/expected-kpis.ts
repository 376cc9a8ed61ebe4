// What the business figures of random books come to, computed in loops over what happened. Independent of the SQL.

import { Decimal } from 'decimal.js'
import {
  type Books,
  billed,
  currencyOfPayment,
  dayOf,
  type Entry,
  money,
  type Payment,
  typeOf,
} from './kpi-books.js'

export interface Figure {
  /** Day, figure, entity, currency, unit. */
  readonly key: string
  readonly numerator: Decimal
  readonly denominator: Decimal
  readonly worst: Decimal | null
  readonly value: Decimal | null
}

interface Case {
  readonly key: string
  readonly numerator: Decimal
  readonly denominator: Decimal
  readonly worst?: Decimal
}

export function expectedFigures(all: Books): Figure[] {
  const cases = [
    ...postingTimes(all),
    ...cashTimes(all),
    ...postings(all),
    ...recoveries(all),
    ...unapplied(all),
    ...missingInvoices(all),
    ...closes(all),
    ...taxes(all),
    ...changes(all),
    ...quotes(all),
  ]
  return [...grouped(cases, one => one.key)].map(([key, own]) => {
    const numerator = own.reduce((sum, one) => sum.plus(one.numerator), new Decimal(0))
    const denominator = own.reduce((sum, one) => sum.plus(one.denominator), new Decimal(0))
    const isPlain = /(items|money)$/.test(key)
    const quotient = denominator.isZero()
      ? null
      : numerator.div(denominator).toDecimalPlaces(12, Decimal.ROUND_DOWN)
    const worsts = own.flatMap(one => (one.worst === undefined ? [] : [one.worst]))
    const worst = worsts.length === 0 ? null : Decimal.max(...worsts)
    return { key, numerator, denominator, worst, value: isPlain ? numerator : quotient }
  })
}

export function figureText({ key, numerator, denominator, worst, value }: Figure): string {
  return [key, numerator.toFixed(), denominator.toFixed(), worst?.toFixed(), value?.toFixed()].join(' | ')
}

const seconds = (fromMs: number, untilMs: number) => new Decimal(Math.max(0, untilMs - fromMs)).div(1_000)
const one = new Decimal(1)
const timed = (key: string, took: Decimal): Case => ({ key, numerator: took, denominator: one, worst: took })

function entriesOfBatch(all: Books, batch: number): readonly Entry[] {
  const own = new Set(billed(all).flatMap(charge => (charge.batch === batch ? [charge.id] : [])))
  return all.entries.filter(entry => own.has(entry.charge))
}

function postingTimes(all: Books): Case[] {
  return all.batches.flatMap(({ entity, currency: of, sealedMs }, index) => {
    const posted = entriesOfBatch(all, index).map(entry => entry.postedMs)
    if (posted.length === 0) return []
    const key = `${dayOf(sealedMs)} invoice_to_posting_seconds ${entity} ${of} seconds`
    return [timed(key, seconds(sealedMs, Math.max(...posted)))]
  })
}

/** Each payment that succeeded once: when first, of which invoice, and its rows. */
function received({ payments }: Books) {
  return [...grouped(payments, row => row.payment)].flatMap(([payment, rows]) => {
    const succeeded = rows.filter(row => row.status === 'succeeded')
    if (succeeded.length === 0) return []
    const firstAtMs = Math.min(...succeeded.map(row => row.atMs))
    const invoice = Math.max(...rows.map(row => row.invoice))
    return [{ payment, rows, firstAtMs, invoice, currency: currencyOfPayment(payment) }]
  })
}

function cashTimes(all: Books): Case[] {
  return received(all).flatMap(({ firstAtMs, invoice, currency: of }) => {
    const paid = all.invoices.filter(row => row.invoice === invoice && row.status === 'paid')
    if (invoice === 0 || paid.length === 0) return []
    const paidMs = Math.min(...paid.map(row => row.atMs))
    return [timed(`${dayOf(firstAtMs)} payment_to_cash_seconds  ${of} seconds`, seconds(firstAtMs, paidMs))]
  })
}

function postings(all: Books): Case[] {
  const postedBatches = all.batches.flatMap((_, index) =>
    entriesOfBatch(all, index).length > 0 ? [index] : [],
  )
  const lastPosted = Math.max(-1, ...postedBatches)
  return billed(all).flatMap(charge => {
    const own = all.entries.filter(entry => entry.charge === charge.id)
    const ofRun = all.batches.flatMap((batch, index) => {
      const { run, entity, currency: of } = charge.of
      return batch.run === run && batch.entity === entity && batch.currency === of
        ? [{ ...batch, index }]
        : []
    })
    const isPassed = charge.cents !== 0 && Math.max(...ofRun.map(batch => batch.index)) < lastPosted
    if (own.length === 0 && !isPassed) return []
    const atMs =
      own.length > 0
        ? Math.max(...own.map(entry => entry.postedMs))
        : Math.max(...ofRun.map(batch => batch.sealedMs))
    const isRight = own.length === 1 && own[0]!.fault === 'none'
    const key = (kpi: string, unit: string) =>
      `${dayOf(atMs)} ${kpi} ${charge.of.entity} ${charge.of.currency} ${unit}`
    const count = (is: boolean) => new Decimal(is ? 1 : 0)
    return [
      { key: key('posting_accuracy', 'ratio'), numerator: count(isRight), denominator: one },
      { key: key('posting_mismatches', 'items'), numerator: count(!isRight), denominator: one },
    ]
  })
}

function recoveries({ payments }: Books): Case[] {
  const due = (row: Payment) =>
    `${row.invoice === 0 ? `payment ${row.payment}` : `invoice ${row.invoice}`} ${currencyOfPayment(row.payment)}`
  return [...grouped(payments, due).values()].flatMap(rows => {
    const failed = rows.filter(row => row.status === 'failed').map(row => row.atMs)
    if (failed.length === 0) return []
    const failedMs = Math.min(...failed)
    const isRecovered = rows.some(row => row.status === 'succeeded' && row.atMs > failedMs)
    const key = `${dayOf(failedMs)} payment_recovery  ${currencyOfPayment(rows[0]!.payment)} ratio`
    return [{ key, numerator: new Decimal(isRecovered ? 1 : 0), denominator: one }]
  })
}

/** What is kept of payments, by their day; and what was received above an invoice's total, by the day of its last payment. */
function unapplied(all: Books): Case[] {
  const kept = received(all).map(one => ({ ...one, cents: keptOf(one.rows), of: invoiceOf(all, one) }))
  const key = (atMs: number, currency: string) => `${dayOf(atMs)} unapplied_cash  ${currency} money`
  const ofPayments = kept.map(({ cents, of, firstAtMs, currency }) => ({
    key: key(firstAtMs, currency),
    numerator: money(of === undefined ? cents : 0),
    denominator: money(cents),
  }))
  const known = kept.flatMap(one => (one.of === undefined ? [] : [{ ...one, of: one.of }]))
  const ofInvoices = [...grouped(known, one => one.of.invoice).values()].map(own => {
    const { asked } = own[0]!.of
    const above = Math.max(0, own.reduce((sum, one) => sum + one.cents, 0) - asked)
    const lastMs = Math.max(...own.map(one => one.firstAtMs))
    return { key: key(lastMs, 'EUR'), numerator: money(above), denominator: money(0) }
  })
  return [...ofPayments, ...ofInvoices.filter(one => !one.numerator.isZero())]
}

/** The first success counts, less all that went back, and never less than nothing. */
function keptOf(rows: readonly Payment[]): number {
  const ordered = rows.filter(row => row.status === 'succeeded').toSorted((a, b) => a.atMs - b.atMs)
  const back = rows.filter(row => row.status === 'refunded').reduce((sum, row) => sum + row.cents, 0)
  return Math.max(0, (ordered[0]?.cents ?? 0) - back)
}

/** The invoice that a payment names, if it was finalized in the payment's currency; invoices here are in EUR. */
function invoiceOf(all: Books, { invoice, currency }: ReturnType<typeof received>[number]) {
  const told = all.invoices.filter(row => row.invoice === invoice).toSorted((a, b) => a.atMs - b.atMs)
  const finalized = told.find(row => row.status === 'finalized')
  if (finalized === undefined || currency !== 'EUR') return undefined
  const isVoided = told.some(row => row.status === 'voided')
  return { invoice, asked: isVoided ? 0 : Math.max(0, finalized.cents) }
}

function missingInvoices(all: Books): Case[] {
  if (all.invoices.length === 0) return []
  const billOf = ({ customer: of, of: batch }: ReturnType<typeof billed>[number]) =>
    [of, batch.entity, batch.currency, batch.run].join(' ')
  return [...grouped(billed(all), billOf).values()].flatMap(charges => {
    const { customer: of, of: first } = charges[0]!
    if (charges.reduce((sum, charge) => sum + charge.cents, 0) <= 0) return []
    const sealedMs = Math.max(
      ...all.batches
        .filter(
          one => one.run === first.run && one.entity === first.entity && one.currency === first.currency,
        )
        .map(batch => batch.sealedMs),
    )
    const isInvoiced = all.invoices.some(
      row =>
        row.customer === of && first.currency === 'EUR' && row.status === 'finalized' && row.atMs >= sealedMs,
    )
    const key = `${dayOf(sealedMs)} missing_invoices ${first.entity} ${first.currency} items`
    return [{ key, numerator: new Decimal(isInvoiced ? 0 : 1), denominator: one }]
  })
}

function closes(all: Books): Case[] {
  const posted = all.entries.flatMap(entry => {
    const charge = billed(all).find(row => row.id === entry.charge)
    return charge === undefined ? [] : [{ ...entry, entity: charge.of.entity }]
  })
  const month = (entry: (typeof posted)[number]) => `${entry.entity} ${entry.accountingDay.slice(0, 7)}`
  return [...grouped(posted, month).values()].flatMap(entries => {
    const [year, number] = entries[0]!.accountingDay.split('-').map(Number) as [number, number]
    const lastDayMs = Date.UTC(year, number, 0)
    const lastMs = Math.max(...entries.map(entry => entry.postedMs))
    const days = Math.floor(lastMs / 86_400_000) - lastDayMs / 86_400_000
    if (days <= 0) return []
    return [timed(`${dayOf(lastDayMs)} days_to_close ${entries[0]!.entity}  days`, new Decimal(days))]
  })
}

function taxes({ letters }: Books): Case[] {
  const tax = letters.filter(letter => letter.code.startsWith('tax_'))
  return [...grouped(tax, letter => letter.id).values()].map(rows => ({
    key: `${dayOf(Math.min(...rows.map(row => row.recordedMs)))} tax_exceptions   items`,
    numerator: new Decimal(rows.reduce((sum, row) => sum + row.count, 0)),
    denominator: one,
  }))
}

/** Each change of a subscription that took effect or was refused for good. */
function decided({ outcomes, letters }: Books) {
  const ids = [...new Set([...outcomes, ...letters].map(row => row.id))]
  return ids.flatMap(id => {
    const type = typeOf(id)
    const applied = outcomes.filter(row => row.id === id && row.disposition === 'applied')
    const refused = letters.filter(row => row.id === id && row.code !== 'conflicting_duplicate')
    const net = (rows: readonly { readonly count: number }[]) => rows.reduce((sum, row) => sum + row.count, 0)
    if (!type.startsWith('weir.') || (net(applied) <= 0 && net(refused) <= 0)) return []
    const took = applied.filter(row => row.count > 0)
    return [
      {
        type,
        isApplied: net(applied) > 0,
        ingestedMs: Math.min(...[...applied, ...refused].map(row => row.ingestedMs)),
        atMs: Math.min(...applied.map(row => row.atMs), ...refused.map(row => row.ingestedMs)),
        appliedMs: Math.min(...took.map(row => row.recordedMs)),
        correlation:
          applied
            .map(row => row.correlation)
            .sort()
            .at(-1) ?? '',
      },
    ]
  })
}

function changes(all: Books): Case[] {
  return decided(all).flatMap(({ type, isApplied, ingestedMs, atMs, appliedMs }) => {
    const day = dayOf(ingestedMs)
    const count = (is: boolean) => new Decimal(is ? 1 : 0)
    if (type === 'weir.subscription.created')
      return [{ key: `${day} activation_success   ratio`, numerator: count(isApplied), denominator: one }]
    if (type === 'weir.subscription.renewed')
      return [{ key: `${day} failed_renewals   items`, numerator: count(!isApplied), denominator: one }]
    if (!isApplied) return []
    return [timed(`${dayOf(appliedMs)} amendment_seconds   seconds`, seconds(atMs, appliedMs))]
  })
}

function quotes(all: Books): Case[] {
  const created = decided(all).filter(
    change => change.type === 'weir.subscription.created' && change.isApplied && change.correlation !== '',
  )
  return created.flatMap(({ correlation, appliedMs }) => {
    const earlier = all.outcomes.filter(
      row =>
        row.correlation === correlation && row.count > 0 && typeOf(row.id) !== 'weir.subscription.created',
    )
    const quotedMs = Math.min(...earlier.map(row => row.atMs))
    if (earlier.length === 0 || quotedMs > appliedMs) return []
    return [
      timed(`${dayOf(appliedMs)} quote_to_subscription_seconds   seconds`, seconds(quotedMs, appliedMs)),
    ]
  })
}

function grouped<Row, Key>(rows: readonly Row[], keyOf: (row: Row) => Key): Map<Key, Row[]> {
  const groups = new Map<Key, Row[]>()
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row])
  return groups
}
