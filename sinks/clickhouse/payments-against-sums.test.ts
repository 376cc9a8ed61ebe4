// The views of payments: an example worked by hand, and random histories against the same figures computed the slow and obvious way.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { Decimal } from 'decimal.js'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { customerStandings } from './customer-standings.js'
import { migrate } from './migrate.js'
import {
  entityOfCustomer,
  type Histories,
  histories,
  slowCollections,
  slowDunning,
} from './testing/slow-payments.js'

const generousMs = 300_000
const runs = Number(process.env['WEIR_PAYMENT_RUNS'] ?? 1)
/** Histories that one query tells of. */
const atOnce = 25
let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-payments-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
  const customers = ['a', 'b', 'c'].flatMap(letter =>
    ['', ...Array(atOnce).keys()].map(number => `${letter}${number}`),
  )
  await fill(
    'customers',
    customers.map(id => ({ customer_id: id, entity_id: entityOfCustomer(id) })),
  )
}, generousMs)

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function fill(table: string, values: readonly object[]): Promise<void> {
  await client.command({ query: `TRUNCATE TABLE ${table}` })
  const settings = { date_time_input_format: 'best_effort' } as const
  if (values.length > 0)
    await client.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
}

async function ask(query: string): Promise<Record<string, string>[]> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  return (await result.json<Record<string, unknown>>()).map(row =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, String(value)])),
  )
}

const lists = async (query: string) => (await ask(query)).map(row => Object.values(row))

/** The figure of finance, the balances at the last month's end and the list of what is to be looked at say the same. */
async function expectOneUnapplied(): Promise<void> {
  const byCurrency = (query: string) =>
    lists(`SELECT currency, toString(sum(part)) FROM (${query}) GROUP BY currency
    HAVING sum(part) != 0 ORDER BY currency`)
  const figure = await byCurrency('SELECT currency, unapplied AS part FROM kpi_unapplied_cash')
  expect(figure).toEqual(
    await byCurrency(
      'SELECT currency, argMax(unapplied, month) AS part FROM collections_by_month GROUP BY currency, entity_id',
    ),
  )
  const day = 'now64(9) - INTERVAL 1 DAY'
  const recent = `SELECT currency, if(is_known, if(last_paid_at >= ${day}, unapplied, 0), arrayReduce('sum', arrayPushBack(
    arrayMap(one -> one.kept, arrayFilter(one -> one.paid_at >= ${day}, payments)), toDecimal256(0, 12)))) AS part FROM payment_dues`
  const listed = `SELECT currency, amount AS part FROM payments_to_look_at WHERE code = 'unapplied_cash'`
  expect(await byCurrency(`${recent} UNION ALL ${listed}`)).toEqual(figure)
}

async function hold({ payments, invoices }: Histories): Promise<void> {
  await fill('payments', payments)
  await fill('invoices', invoices)
}

test(
  'collections by month and dunning are what random histories come to, in any order of arrival',
  async () => {
    const nowMs = Date.now()
    let compared = 0
    await fc.assert(
      fc.asyncProperty(histories(nowMs, atOnce), async each => {
        const all = {
          payments: each.flatMap(one => one.payments),
          invoices: each.flatMap(one => one.invoices),
        }
        await hold(all)
        const rows = await ask('SELECT * FROM collections_by_month')
        const found = rows.map(({ month, currency, entity_id, collection_rate: _, ...figures }) => [
          `${currency} ${entity_id} ${month}`,
          Object.fromEntries(
            Object.entries(figures).map(([name, value]) => [name, new Decimal(value).toFixed()]),
          ),
        ])
        const collections = each.flatMap(one => [...slowCollections(one)])
        expect(Object.fromEntries(found)).toEqual(Object.fromEntries(collections))
        await expectOneUnapplied()
        const [sums] = await ask(
          'SELECT count() AS n, countIf(k.received != b.paid OR k.refunded != b.refunded) AS other FROM kpi_payments AS k INNER JOIN payment_balances AS b USING (payment_id, currency)',
        )
        expect(sums?.['other']).toBe('0')
        compared += Number(sums?.['n'])
        const dunning = (
          await ask('SELECT customer_id, currency, state, attempts, last_reason FROM dunning_by_customer')
        ).map(({ customer_id, currency, ...row }) => [`${customer_id} ${currency}`, row])
        const states = each.flatMap(one => [...slowDunning(one, nowMs)])
        expect(Object.fromEntries(dunning)).toEqual(Object.fromEntries(states))
      }),
      { numRuns: runs, endOnFailure: true },
    )
    expect(compared).toBeGreaterThan(0)
  },
  generousMs,
)

const payment = (id: string, status: string, amount: string, at: string, more: object = {}) => ({
  ...{ payment_id: id, customer_id: 'a', currency: 'USD', status, amount },
  ...{ event_time: `${at}T12:00:00Z`, event_source: 's', event_id: `${id} ${status} ${at}`, ...more },
})
const invoice = (id: string, status: string, total: string, at: string, more: object = {}) => ({
  ...{ invoice_id: id, customer_id: 'a', currency: 'USD', status, total },
  ...{ event_time: `${at}T00:00:00Z`, event_source: 's', event_id: `${id} ${status}`, ...more },
})

test('retries are attempts of one payment, a refund above the payment and a lost dispute are told, and cash without an invoice is unapplied', async () => {
  const dispute = { dispute_id: 'd', reason: 'fraudulent', invoice_id: 'i1' }
  await fill('payments', [
    payment('p1', 'failed', '100', '2026-01-10', { invoice_id: 'i1', reason: 'card_declined' }),
    payment('p1', 'failed', '100', '2026-01-13', { invoice_id: 'i1', reason: 'expired_card' }),
    payment('p1', 'succeeded', '100', '2026-02-01', { invoice_id: 'i1' }),
    payment('p1', 'succeeded', '100', '2026-02-01', { event_source: 't' }),
    payment('p1', 'disputed', '40', '2026-03-01', { ...dispute, dispute_status: 'opened' }),
    payment('p1', 'disputed', '40', '2026-04-01', { ...dispute, dispute_status: 'lost' }),
    payment('p2', 'succeeded', '10', '2026-02-02'),
    payment('p3', 'refunded', '5.5', '2026-02-03'),
    payment('p4', 'failed', '20', '2026-02-04', { invoice_id: 'i2', reason: 'card_declined' }),
  ])
  await fill('invoices', [
    invoice('i1', 'finalized', '90', '2026-01-01', { due_at: '2026-01-15T00:00:00Z' }),
    invoice('i2', 'finalized', '20', '2026-02-01', { due_at: '2026-03-01T00:00:00Z' }),
  ])
  expect(
    await lists(`SELECT month, entity_id, invoiced, collected, refunded, disputed, disputes_lost, failed_payments, outstanding, overdue, unapplied
      FROM collections_by_month`),
  ).toEqual([
    ['2026-01-01', 'de', '90', '0', '0', '0', '0', '2', '90', '90', '0'],
    ['2026-02-01', 'de', '20', '110', '5.5', '0', '0', '1', '20', '0', '20'],
    ['2026-03-01', 'de', '0', '0', '0', '40', '0', '0', '20', '20', '20'],
    ['2026-04-01', 'de', '0', '0', '0', '0', '40', '0', '50', '50', '10'],
  ])
  expect(
    await lists(
      "SELECT attempt, outcome, reason FROM payment_attempts WHERE invoice_id = 'i1' ORDER BY attempt",
    ),
  ).toEqual([
    ['1', 'failed', 'card_declined'],
    ['2', 'failed', 'expired_card'],
    ['3', 'succeeded', ''],
  ])
  expect(
    await lists(
      'SELECT payment_id, attempts, paid, refunded, in_dispute, disputes_lost, kept, refunded_above FROM payment_balances ORDER BY payment_id',
    ),
  ).toEqual([
    ['p1', '3', '100', '0', '0', '40', '60', '0'],
    ['p2', '1', '10', '0', '0', '0', '10', '0'],
    ['p3', '0', '0', '5.5', '0', '0', '0', '5.5'],
    ['p4', '1', '0', '0', '0', '0', '0', '0'],
  ])
  expect(
    await lists(
      'SELECT state, attempts, last_reason, failing, outstanding, overdue FROM dunning_by_customer',
    ),
  ).toEqual([['exhausted', '1', 'card_declined', '20', '50', '50']])
  expect(
    await lists('SELECT code, record_kind, record_id, amount FROM payments_to_look_at ORDER BY code'),
  ).toEqual([
    ['dispute_lost', 'dispute', 'd', '40'],
    ['payment_exhausted', 'payment', 'p4', '20'],
    ['refund_above_payment', 'payment', 'p3', '5.5'],
    ['unapplied_cash', 'payment', 'p2', '10'],
  ])
})

test('how the customer of that history stands, for whoever is told of it', async () => {
  expect(await customerStandings(client)).toEqual([
    {
      ...{ customer_id: 'a', entity_id: 'de', currency: 'USD', correlation_id: '' },
      ...{
        invoiced: '110',
        paid: '60',
        outstanding: '50',
        overdue: '50',
        open_invoices: 2,
        overdue_invoices: 2,
      },
      ...{ dunning: 'exhausted', failed_since: '2026-02-04T12:00:00Z', failed_attempts: 1 },
      last_reason: 'card_declined',
    },
  ])
})

test('the entity is that of the subscription when the invoice was finalized, else that of the customer', async () => {
  const version = (sequence: number, entity_id: string, effective_from: string) => ({
    ...{ subscription_id: 's1', customer_id: 'a', sequence, revision: sequence, entity_id, effective_from },
  })
  await fill('subscription_versions', [
    version(1, 'fr', '2026-01-01T00:00:00Z'),
    version(2, 'it', '2026-02-01T00:00:00Z'),
  ])
  await fill('payments', [
    payment('p1', 'succeeded', '5', '2026-03-01', { invoice_id: 'i1', customer_id: 'b' }),
  ])
  await fill('invoices', [
    invoice('i1', 'finalized', '9', '2026-01-20', { subscription_id: 's1' }),
    invoice('i2', 'finalized', '9', '2026-02-20', { subscription_id: 's1' }),
    invoice('i3', 'finalized', '9', '2026-02-20'),
    invoice('i4', 'finalized', '9', '2026-02-20', { customer_id: 'nobody told of' }),
  ])
  expect(
    await lists(
      'SELECT invoice_id, entity_id, received, outstanding, state FROM invoice_balances ORDER BY invoice_id',
    ),
  ).toEqual([
    ['i1', 'fr', '5', '4', 'open'],
    ['i2', 'it', '0', '9', 'open'],
    ['i3', 'de', '0', '9', 'open'],
    ['i4', '', '0', '9', 'open'],
  ])
})
