// Collections by month, invoices and dunning, computed the slow way from rows of `payments` and `invoices`: what stands at an instant
// is found anew from all rows before it. The views (migrations/0010_payments.sql) are held against it.

import { Decimal } from 'decimal.js'
import fc from 'fast-check'

const hourMs = 3_600_000
/** A customer bears the letter of its entity and the number of its history: `a7` is of `de7`. */
export const entityOfCustomer = (id: string): string => ({ a: 'de', b: 'us', c: 'jp' })[id[0]!] + id.slice(1)

export interface PaymentTold {
  readonly payment_id: string
  readonly customer_id: string
  readonly invoice_id: string
  readonly status: 'succeeded' | 'failed' | 'refunded' | 'disputed'
  readonly currency: string
  readonly amount: string
  readonly reason: string
  readonly dispute_id: string
  readonly dispute_status: string
  readonly event_time: string
  readonly event_source: string
  readonly event_id: string
}

export interface InvoiceTold {
  readonly invoice_id: string
  readonly customer_id: string
  readonly status: 'finalized' | 'paid' | 'voided'
  readonly currency: string
  readonly total: string
  readonly due_at: string | null
  readonly event_time: string
  readonly event_source: string
  readonly event_id: string
}

export interface Histories {
  readonly payments: readonly PaymentTold[]
  readonly invoices: readonly InvoiceTold[]
}

/** Half an hour beside every limit of the views (a day, 14 days), so that they do not move while a test runs. */
const timeBefore = (nowMs: number, most: number, least = 0) =>
  fc
    .integer({ min: least, max: most })
    .map(hours => new Date(nowMs - hours * hourMs - hourMs / 2).toISOString())
const customerOf = (id: string) => ['a', 'b', 'c'][Number(id.slice(1)) % 3]!
const money = (min: number) =>
  fc.integer({ min, max: 9_999 }).map(thousandths => new Decimal(thousandths).div(1000).toFixed())
const source = fc.constantFrom('stripe', 'erp')

/** Few payments and invoices with many rows each, so that they meet. */
function oneHistory(nowMs: number): fc.Arbitrary<Histories> {
  const at = fc.oneof(timeBefore(nowMs, 24 * 130), timeBefore(nowMs, 24 * 20))
  const payment = fc
    .record({
      ...{
        id: fc.constantFrom('p1', 'p2', 'p3', 'p4'),
        status: fc.constantFrom('succeeded', 'failed', 'refunded', 'disputed'),
      },
      ...{
        amount: money(1),
        reason: fc.constantFrom('', 'card_declined'),
        dispute: fc.constantFrom('d1', 'd2'),
      },
      ...{ decision: fc.constantFrom('opened', 'won', 'lost'), at, event_source: source },
    } as const)
    .map(({ id, status, amount, reason, dispute, decision, at: event_time, event_source }) => ({
      ...{
        payment_id: id,
        customer_id: customerOf(id),
        invoice_id: ['', 'i1', 'i1', 'i2', 'i9'][Number(id[1])]!,
      },
      ...{ status, currency: 'USD', amount, reason, event_time, event_source },
      ...{
        dispute_id: status === 'disputed' ? dispute : '',
        dispute_status: status === 'disputed' ? decision : '',
      },
    }))
  const invoice = fc
    .record({
      ...{
        id: fc.constantFrom('i1', 'i2', 'i3'),
        status: fc.constantFrom('finalized', 'finalized', 'paid', 'voided'),
      },
      ...{
        total: money(-2_000),
        due: fc.option(timeBefore(nowMs, 24 * 160, -24 * 40)),
        at,
        event_source: source,
      },
    } as const)
    .map(({ id, status, total, due, at: event_time, event_source }) => ({
      ...{ invoice_id: id, customer_id: customerOf(id), status, currency: id === 'i3' ? 'JPY' : 'USD' },
      ...{ total, due_at: due, event_time, event_source },
    }))
  return fc
    .record({ payments: fc.array(payment, { maxLength: 14 }), invoices: fc.array(invoice, { maxLength: 7 }) })
    .map(all => ({
      payments: all.payments.map((one, index) => ({ ...one, event_id: `e${index}` })),
      invoices: all.invoices.map((one, index) => ({ ...one, event_id: `i${index}` })),
    }))
}

/** Histories that have nothing in common: one query over all of them is as good as one for each. */
export function histories(nowMs: number, count: number): fc.Arbitrary<Histories[]> {
  return fc.array(oneHistory(nowMs), { minLength: count, maxLength: count }).map(all =>
    all.map(({ payments, invoices }, index) => ({
      payments: payments.map(one => ({
        ...{ ...one, payment_id: `${one.payment_id}.${index}`, customer_id: `${one.customer_id}${index}` },
        ...{
          invoice_id: one.invoice_id === '' ? '' : `${one.invoice_id}.${index}`,
          event_id: `${index}/${one.event_id}`,
        },
      })),
      invoices: invoices.map(one => ({
        ...{ ...one, invoice_id: `${one.invoice_id}.${index}`, customer_id: `${one.customer_id}${index}` },
        event_id: `${index}/${one.event_id}`,
      })),
    })),
  )
}

type Told = Pick<PaymentTold, 'event_time' | 'event_source' | 'event_id'>
const order = (one: Told) => `${one.event_time} ${one.event_source} ${one.event_id}`
const inOrder = <T extends Told>(all: readonly T[]) => [...all].sort((a, b) => (order(a) < order(b) ? -1 : 1))
const zero = new Decimal(0)
const above = (value: Decimal) => Decimal.max(value, zero)
const total = (all: readonly { readonly amount: string }[]) =>
  all.reduce((sum, one) => sum.plus(one.amount), zero)

function lostOf(own: readonly PaymentTold[]): Decimal {
  const disputes = new Set(own.filter(one => one.status === 'disputed').map(one => one.dispute_id))
  return [...disputes].reduce((sum, id) => {
    const decided = own.filter(one => one.dispute_id === id && ['won', 'lost'].includes(one.dispute_status))
    const last = inOrder(decided).at(-1)
    return last?.dispute_status === 'lost' ? sum.plus(last.amount) : sum
  }, zero)
}

function keptOf(own: readonly PaymentTold[]): Decimal {
  const paid = inOrder(own.filter(one => one.status === 'succeeded'))[0]?.amount ?? '0'
  return above(
    new Decimal(paid).minus(total(own.filter(one => one.status === 'refunded'))).minus(lostOf(own)),
  )
}

const known = ({ invoices }: Histories, id: string, currency: string) =>
  invoices.some(one => one.invoice_id === id && one.currency === currency && one.status === 'finalized')

/** What stood when `until` began. */
export function standingAt(all: Histories, until: string, entity: string, currency: string) {
  const before = all.payments.filter(one => one.event_time < until && one.currency === currency)
  const sums = { outstanding: zero, overdue: zero, unapplied: zero }
  const received = new Map<string, Decimal>()
  for (const id of new Set(before.map(one => one.payment_id))) {
    const own = before.filter(one => one.payment_id === id)
    const { invoice_id, customer_id } = own[0]!
    if (known(all, invoice_id, currency))
      received.set(invoice_id, (received.get(invoice_id) ?? zero).plus(keptOf(own)))
    else if (entityOfCustomer(customer_id) === entity) sums.unapplied = sums.unapplied.plus(keptOf(own))
  }
  for (const id of new Set(all.invoices.map(one => one.invoice_id))) {
    const own = inOrder(all.invoices.filter(one => one.invoice_id === id && one.currency === currency))
    if (own.length === 0 || entityOfCustomer(own[0]!.customer_id) !== entity || !known(all, id, currency))
      continue
    const has = (status: string) => own.find(one => one.status === status && one.event_time < until)
    const asked = has('voided') ? zero : above(new Decimal(has('finalized')?.total ?? 0))
    const got = received.get(id) ?? zero
    const open = has('paid') ? zero : above(asked.minus(got))
    const due = own.findLast(one => one.due_at !== null)?.due_at
    sums.outstanding = sums.outstanding.plus(open)
    if (due != null && due < until) sums.overdue = sums.overdue.plus(open)
    sums.unapplied = sums.unapplied.plus(above(got.minus(asked)))
  }
  return sums
}

const nextMonth = (month: string) => {
  const [year, number] = month.split('-').map(Number) as [number, number]
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 7)
}

/** By currency, entity and month, as the view's columns. */
export function slowCollections(all: Histories): Map<string, Record<string, string>> {
  const rows = new Map<string, Record<string, string>>()
  const entityOf = (one: PaymentTold) => {
    const invoice = all.invoices.find(i => i.invoice_id === one.invoice_id && i.currency === one.currency)
    return entityOfCustomer(
      invoice && known(all, one.invoice_id, one.currency) ? invoice.customer_id : one.customer_id,
    )
  }
  for (const currency of ['USD', 'JPY'])
    for (const entity of new Set(
      [...all.payments, ...all.invoices].map(one => entityOfCustomer(one.customer_id)),
    )) {
      const payments = all.payments.filter(one => one.currency === currency && entityOf(one) === entity)
      const invoices = all.invoices.filter(
        one => one.currency === currency && entityOfCustomer(one.customer_id) === entity,
      )
      const firsts = firstOfEach(invoices, one => `${one.invoice_id} ${one.status}`)
      const months = [...payments, ...firsts].map(one => one.event_time.slice(0, 7)).sort()
      const successes = firstOfEach(
        payments.filter(one => one.status === 'succeeded'),
        one => one.payment_id,
      )
      const opened = firstOfEach(
        payments.filter(one => one.dispute_status === 'opened'),
        one => `${one.payment_id} ${one.dispute_id}`,
      )
      const lostBefore = (until: string) =>
        [...new Set(payments.map(one => one.payment_id))].reduce(
          (sum, id) =>
            sum.plus(lostOf(payments.filter(one => one.payment_id === id && one.event_time < until))),
          zero,
        )
      if (months.length === 0) continue
      for (let month = months[0]!; month <= months.at(-1)!; month = nextMonth(month)) {
        const inMonth = <T extends Told>(some: readonly T[]) =>
          some.filter(one => one.event_time.slice(0, 7) === month)
        const totals = (status: string) =>
          inMonth(firsts.filter(one => one.status === status)).reduce((sum, one) => sum.plus(one.total), zero)
        const of = (status: string) => inMonth(payments.filter(one => one.status === status))
        const refunded = total(of('refunded'))
        const lost = lostBefore(nextMonth(month)).minus(lostBefore(month))
        const figures = {
          ...{
            invoiced: totals('finalized'),
            voided: totals('voided'),
            collected: total(inMonth(successes)),
            refunded,
          },
          ...{ disputed: total(inMonth(opened)), disputes_lost: lost, failed: total(of('failed')) },
          ...{
            payments: new Decimal(inMonth(successes).length),
            failed_payments: new Decimal(of('failed').length),
          },
          net_collected: total(inMonth(successes)).minus(refunded).minus(lost),
          ...standingAt(all, nextMonth(month), entity, currency),
        }
        rows.set(
          `${currency} ${entity} ${month}-01`,
          Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, value.toFixed()])),
        )
      }
    }
  return rows
}

function firstOfEach<T extends Told>(all: readonly T[], key: (one: T) => string): T[] {
  const first = new Map<string, T>()
  for (const one of inOrder(all)) if (!first.has(key(one))) first.set(key(one), one)
  return [...first.values()]
}

/** What fails now of each customer: state, attempts since the last success, the last reason. */
export function slowDunning(all: Histories, nowMs: number): Map<string, Record<string, string>> {
  const rows = new Map<string, Record<string, string>>()
  const now = new Date(nowMs).toISOString()
  const asked = all.invoices.filter(one => one.status === 'finalized')
  for (const { customer_id: customer, currency } of [...all.payments, ...asked])
    rows.set(`${customer} ${currency}`, { state: 'none', attempts: '0', last_reason: '' })
  const dueOf = (one: PaymentTold) => (one.invoice_id === '' ? one.payment_id : one.invoice_id)
  const failing = [...new Set(all.payments.map(dueOf))].flatMap(due => {
    const own = all.payments.filter(one => dueOf(one) === due)
    const settled = all.invoices.some(
      one => one.invoice_id === own[0]!.invoice_id && one.currency === 'USD' && one.status !== 'finalized',
    )
    const paid = firstOfEach(
      own.filter(one => one.status === 'succeeded'),
      one => one.payment_id,
    )
    const last = inOrder(paid).at(-1)
    const failed = inOrder(own.filter(one => one.status === 'failed'))
    const since = failed.filter(one => last === undefined || order(one) > order(last))
    return settled || since.length === 0 ? [] : [since]
  })
  for (const [key, row] of rows) {
    const [customer, currency] = key.split(' ') as [string, string]
    const own = failing.filter(tries => tries.at(-1)!.customer_id === customer && currency === 'USD')
    const lasts = inOrder(own.map(tries => tries.at(-1)!))
    row['attempts'] = String(own.flat().length)
    const old = lasts.filter(one => Date.parse(one.event_time) < nowMs - 14 * 24 * hourMs)
    const overdue =
      all.invoices.some(one => one.customer_id === customer && one.currency === currency) &&
      standingOf(all, customer, currency, now).gt(0)
    row['state'] = old.length > 0 ? 'exhausted' : lasts.length > 0 ? 'retrying' : overdue ? 'overdue' : 'none'
    row['last_reason'] = lasts.at(-1)?.reason ?? ''
  }
  return rows
}

function standingOf(all: Histories, customer: string, currency: string, now: string): Decimal {
  return standingAt(all, now, entityOfCustomer(customer), currency).overdue
}
