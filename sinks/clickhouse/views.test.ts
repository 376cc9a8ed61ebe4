// The views on data small enough to be worked by hand; the numbers expected here were.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { migrate } from './migrate.js'
import { profileExample } from './testing/profile-example.js'

let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-views-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
})

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function insert(table: string, values: readonly object[]): Promise<void> {
  const settings = { date_time_input_format: 'best_effort' } as const
  await client.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
}

/** Rows as lists of texts, as ClickHouse writes them. */
async function ask(query: string): Promise<string[][]> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const result = await client.query({ query, format: 'JSONCompactEachRow', clickhouse_settings: settings })
  return (await result.json<unknown[]>()).map(row => row.map(value => String(value)))
}

const movement = (customer: string, at: string, kind: string, amount: string, currency = 'USD') => ({
  movement_id: `${customer} ${at}`,
  customer_id: customer,
  effective_at: `${at}Z`,
  kind,
  amount,
  currency,
})

test('MRR: opening, movements, closing; quiet months; churn, retention and cohorts', async () => {
  await insert('mrr_movements', [
    movement('a', '2026-01-10T00:00:00', 'new_business', '100'),
    movement('b', '2026-01-31T23:59:59.999', 'new_business', '50'),
    movement('c', '2026-02-01T00:00:00', 'new_business', '30'),
    movement('a', '2026-04-10T00:00:00', 'expansion', '20.5'),
    movement('b', '2026-04-11T00:00:00', 'churn', '-50'),
    movement('c', '2026-04-11T00:00:00', 'contraction', '-10'),
    movement('b', '2026-05-02T00:00:00', 'reactivation', '40'),
    movement('d', '2026-03-05T00:00:00', 'new_business', '0.000000000001', 'EUR'),
  ])
  expect(
    await ask("SELECT * EXCEPT currency FROM mrr_by_month WHERE currency = 'USD' ORDER BY month"),
  ).toEqual([
    ['2026-01-01', '0', '150', '0', '0', '0', '0', '0', '150'],
    ['2026-02-01', '150', '30', '0', '0', '0', '0', '0', '180'],
    ['2026-03-01', '180', '0', '0', '0', '0', '0', '0', '180'],
    ['2026-04-01', '180', '0', '20.5', '-10', '-50', '0', '0', '140.5'],
    ['2026-05-01', '140.5', '0', '0', '0', '0', '40', '0', '180.5'],
  ])
  expect(await ask("SELECT month, closing FROM arr_by_month WHERE currency = 'EUR'")).toEqual([
    ['2026-03-01', '0.000000000012'],
  ])
  const churn = `SELECT customers_opening, customers_churned, opening_mrr, logo_churn, gross_revenue_churn, net_revenue_churn
    FROM churn_by_month WHERE currency = 'USD' ORDER BY month`
  expect(await ask(churn)).toEqual([
    ['0', '0', '0', 'null', 'null', 'null'],
    ['2', '0', '150', '0', '0', '0'],
    ['3', '0', '180', '0', '0', '0'],
    ['3', '1', '180', '0.333333333333', '0.333333333333', '0.219444444444'], // 60 / 180, 39.5 / 180
    ['2', '0', '140.5', '0', '0', '0'], // b comes back: no gain of those who were there
  ])
  const retention = `SELECT retained_mrr, closing_mrr, nrr, grr FROM retention_by_month
    WHERE currency = 'USD' AND month = '2026-04-01'`
  expect(await ask(retention)).toEqual([['120', '140.5', '0.780555555556', '0.666666666667']])
  const cohort = `SELECT months_since, customers_active, logo_retention, mrr, revenue_retention FROM cohort_retention
    WHERE currency = 'USD' AND cohort_month = '2026-01-01' ORDER BY month`
  expect(await ask(cohort)).toEqual([
    ['0', '2', '1', '150', '1'],
    ['1', '2', '1', '150', '1'],
    ['2', '2', '1', '150', '1'],
    ['3', '1', '0.5', '120.5', '0.803333333333'],
    ['4', '2', '1', '160.5', '1.07'],
  ])
})

test('a transfer to another currency or subscription is in the months, and neither churn nor a gain', async () => {
  await insert('mrr_movements', [
    movement('t', '2026-01-10T00:00:00', 'new_business', '100', 'CHF'),
    movement('u', '2026-01-10T00:00:00', 'new_business', '60', 'CHF'),
    // t goes to another currency, u to another subscription.
    movement('t', '2026-02-05T00:00:00', 'transfer', '-100', 'CHF'),
    movement('t', '2026-02-05T00:00:00', 'transfer', '90', 'SEK'),
    movement('u', '2026-02-05T00:00:00', 'transfer', '-60', 'CHF'),
    movement('u', '2026-02-05T00:00:00', 'transfer', '60', 'CHF'),
    movement('u', '2026-02-20T00:00:00', 'contraction', '-15', 'CHF'),
    movement('t', '2026-03-05T00:00:00', 'churn', '-90', 'SEK'),
  ])
  const months =
    "SELECT currency, opening, contraction, churn, transfer, closing FROM mrr_by_month WHERE month = '2026-02-01'"
  expect(await ask(`${months} AND currency IN ('CHF', 'SEK') ORDER BY currency`)).toEqual([
    ['CHF', '160', '-15', '0', '-100', '45'],
    ['SEK', '0', '0', '0', '90', '90'],
  ])
  const churn = `SELECT currency, month, customers_opening, customers_churned, lost_mrr, gained_mrr FROM churn_by_month
    WHERE currency IN ('CHF', 'SEK') AND customers_opening > 0 ORDER BY currency, month`
  expect(await ask(churn)).toEqual([
    ['CHF', '2026-02-01', '2', '0', '15', '0'],
    ['SEK', '2026-03-01', '1', '1', '90', '0'],
  ])
})

test('usage by hour and by day: corrections net out, prices stay apart', async () => {
  const usage = (time: string, price: string, quantity: string, amount: string, count: number) => ({
    event_time: `${time}Z`,
    customer_id: 'a',
    meter: 'tokens',
    price,
    quantity,
    amount,
    event_count: count,
    currency: 'USD',
  })
  await insert('meters', [{ meter: 'tokens', aggregation: 'sum' }])
  await insert('rated_usage', [
    usage('2026-01-10T10:59:59.999', 'in', '5', '0.000000000005', 1),
    usage('2026-01-10T10:00:00', 'in', '7', '2', 1),
    usage('2026-01-10T10:00:00', 'in', '-7', '-2', -1),
    usage('2026-01-10T10:00:00', 'in', '0', '0.5', 0),
    usage('2026-01-10T11:00:00', 'in', '1', '1', 1),
    usage('2026-01-10T11:00:00', 'tier', '1', '3', 1),
  ])
  expect(
    await ask(
      'SELECT toDateTime(hour), price, events, quantity, amount FROM usage_hourly ORDER BY hour, price',
    ),
  ).toEqual([
    ['2026-01-10 10:00:00', 'in', '1', '5', '0.500000000005'],
    ['2026-01-10 11:00:00', 'in', '1', '1', '1'],
    ['2026-01-10 11:00:00', 'tier', '1', '1', '3'],
  ])
  expect(await ask('SELECT day, price, events, quantity, amount FROM usage_daily ORDER BY price')).toEqual([
    ['2026-01-10', 'in', '2', '6', '1.500000000005'],
    ['2026-01-10', 'tier', '1', '1', '3'],
  ])
})

test('the latest version of a subscription is the last revision of its greatest sequence', async () => {
  const version = (sequence: number, revision: number, mrr: string) => ({
    subscription_id: 's',
    sequence,
    revision,
    mrr,
  })
  await insert('subscription_versions', [
    version(3, 5, '30'),
    version(4, 6, '40'),
    version(4, 9, '44'),
    version(3, 9, '33'),
  ])
  expect(await ask('SELECT sequence, revision, mrr FROM subscription_versions_latest')).toEqual([
    ['4', '9', '44'],
  ])
})

test('revenue: in advance over its service period to the last digit, the rest when its period ends', async () => {
  const charge = (kind: string, timing: string, from: string, until: string, amount: string) => ({
    kind,
    timing,
    period_from: `${from}T00:00:00Z`,
    period_until: `${until}T00:00:00Z`,
    amount_rounded: amount,
    currency: 'USD',
  })
  await insert('charges', [
    charge('recurring', 'in_advance', '2026-01-16', '2026-02-16', '31'), // 16 days in January, 15 in February
    charge('recurring', 'in_advance', '2026-02-01', '2027-02-01', '100'),
    charge('usage', 'in_arrears', '2026-01-01', '2026-02-01', '7.25'),
    charge('adjustment', 'in_arrears', '2026-01-01', '2026-02-01', '-0.25'),
    { ...charge('adjustment', 'in_arrears', '2026-01-01', '2026-02-01', '-1'), charge_id: 'posted later' },
    {
      ...charge('usage', 'in_arrears', '2026-01-01', '2026-02-01', '2'),
      period_until: '2026-02-01T05:00:00Z', // midnight in New York
      charge_id: 'local',
    },
  ])
  const line = { charge_id: 'posted later', accounting_date: '2026-02-28' }
  await insert('journal_entries', [
    { ...line, line: 1 },
    { ...line, line: 2 },
    { charge_id: 'local', accounting_date: '2026-01-31', line: 1 },
    { charge_id: 'local', accounting_date: '2026-01-31', line: 2 },
  ])
  const [january, february] = await ask(
    'SELECT month, usage, recurring, adjustments, revenue FROM revenue_by_month ORDER BY month',
  )
  expect(january).toEqual(['2026-01-01', '9.25', '16', '-0.25', '25'])
  expect([february?.[0], february?.[1], february?.[3]]).toEqual(['2026-02-01', '0', '-1'])
  expect(february?.[2]).toMatch(/^22\.67123287671[23]$/) // 15 + 100 × 28 / 365
  expect(await ask('SELECT count(), sum(recurring), sum(revenue) FROM revenue_by_month')).toEqual([
    ['13', '131', '139'],
  ])
})

/** A flag's charges, each with what is told of it. */
const flagged = (flag: string) =>
  ask(
    `SELECT object_id, detail FROM red_flags WHERE flag = '${flag}' AND customer_id = 'flagged' ORDER BY object_id`,
  )

test('red flag credit_pattern: more credited than billed, a credit of nothing, three corrections; a credit with its rebill is none', async () => {
  const line = (id: string, run: string, amount: string, corrects = '') => ({
    ...{ charge_id: `${id}_${run}_${amount}`, customer_id: 'flagged', billing_run_id: run, corrects },
    ...{ kind: corrects === '' ? 'recurring' : 'adjustment', amount_rounded: amount, currency: 'USD' },
    ...(corrects === '' ? { charge_id: id } : {}),
  })
  await insert('charges', [
    ...[
      line('over', 'r1', '100'),
      line('c', 'r2', '-120', 'over'),
      line('d', 'r2', '19.999999999999', 'over'),
    ],
    ...[line('exact', 'r1', '100'), line('e', 'r2', '-100', 'exact')],
    ...[
      line('rebilled', 'r1', '100'),
      line('f', 'r2', '-100', 'rebilled'),
      line('g', 'r2', '80', 'rebilled'),
    ],
    line('h', 'r2', '-1', 'never'),
    ...[line('thrice', 'r1', '9'), ...['r2', 'r3', 'r4'].map(run => line('i', run, '-1', 'thrice'))],
    ...[line('twice', 'r1', '9'), ...['r2', 'r3'].map(run => line('j', run, '-1', 'twice'))],
    line('k', '', '-50', 'open'), // not billed yet
  ])
  expect(await flagged('credit_pattern')).toEqual([
    ['never', 'a credit corrects never, which was never billed'],
    ['over', '0.000000000001 USD more is credited than was billed for over'],
    ['thrice', 'thrice was corrected by 3 runs'],
  ])
})

test('red flag write_without_source: usage that was billed and has no event, or none that stands', async () => {
  const recorded = new Date().toISOString()
  const line = (charge_id: string, more: object = {}) => ({
    ...{ charge_id, customer_id: 'flagged', meter: 'calls', kind: 'usage', quantity: '5' },
    ...{ amount_rounded: '5', billing_run_id: 'r1', recorded_at: recorded, ...more },
  })
  await insert('charges', [
    ...[line('lost'), line('taken back'), line('sourced'), line('none', { quantity: '0' })],
    line('old', { recorded_at: new Date(Date.now() - 36 * 86_400_000).toISOString() }),
    ...[line('fixed', { kind: 'recurring' }), line('unbilled', { billing_run_id: '' })],
  ])
  const event = (charge_id: string, event_count: number) => ({
    charge_id,
    customer_id: 'flagged',
    event_count,
  })
  await insert('rated_usage', [event('sourced', 1), event('taken back', 1), event('taken back', -1)])
  const why = (id: string) => [id, `5 of calls is billed by ${id}, and no event is rated for it`]
  expect(await flagged('write_without_source')).toEqual([why('lost'), why('taken back')])
})

test('MRR by profile: a free plan, a paid-up period, a month of coming and going, a transfer, usage', async () => {
  for (const [table, rows] of Object.entries(profileExample)) await insert(table, rows)
  const rows =
    await ask(`SELECT profile, toMonth(month), new_business, expansion, contraction, churn, reactivation, transfer, usage, closing
    FROM mrr_profile_by_month WHERE currency = 'GBP' ORDER BY month`)
  const months = (profile: string) =>
    rows.filter(row => row[0] === profile).map(row => row.slice(1).join(' '))
  expect(months('weir')).toEqual([
    '1 190 0 0 0 0 0 0 190',
    '2 30 0 0 -80 0 0 0 140',
    '3 0 0 0 -100 0 0 0 40',
    '4 10 0 0 -10 70 0 0 110',
  ])
  expect(months('stripe')[2]).toBe('3 0 40 -40 -100 0 0 0 40')
  expect(months('chartmogul')).toEqual([
    '1 190 0 0 0 0 0 7.5 197.5',
    '2 30 0 0 -80 0 0 1.5 149',
    '3 0 40 -140 0 0 0 0 49',
    '4 10 60 0 -10 10 0 0 119',
  ])
  expect(months('profitwell')).toEqual([
    '1 190 0 0 0 0 0 7.5 197.5',
    '2 0 0 0 0 0 0 1.5 199',
    '3 0 40 -40 -150 0 0 0 49',
    '4 10 0 0 -10 70 0 0 119',
  ])
  expect(months('finance')[1]).toBe('2 0 0 0 -50 0 0 0 140')
  const why = `SELECT toMonth(month), customer_id, kind, reason, amount FROM mrr_profile_differences
    WHERE profile = 'profitwell' AND against = 'chartmogul' AND currency = 'GBP' AND month = '2026-03-01' ORDER BY ALL`
  expect((await ask(why)).map(row => row.join(' '))).toEqual([
    '3 free churn free_is_active -100',
    '3 free contraction free_is_active 100',
    '3 paid churn churn_at_period_end -50',
  ])
})

test('who pays for a customer and whose part it is: the latest event that sets it, in any order; one that leaves it out changes nothing', async () => {
  const told = (event_id: string, day: number, more: object = {}) => ({
    ...{
      customer_id: 'c',
      event_source: 'crm',
      event_id,
      event_time: `2026-01-${10 + day}T00:00:00Z`,
      ...more,
    },
  })
  await insert('customers', [
    told('d', 3, { sets_parent: 1 }),
    told('b', 2, { bill_to_customer_id: 'payer', sets_bill_to: 1 }),
    told('aa', 2, { bill_to_customer_id: 'same time', sets_bill_to: 1 }),
    told('e', 4),
    told('a', 1, {
      bill_to_customer_id: 'first',
      sets_bill_to: 1,
      parent_customer_id: 'group',
      sets_parent: 1,
    }),
  ])
  expect(
    await ask(
      'SELECT customer_id, bill_to_customer_id, parent_customer_id, toDate(parent_since) FROM customer_relations',
    ),
  ).toEqual([['c', 'same time', '', '2026-01-13']])
})

test('every column of every view says in a comment what it is', async () => {
  const columns = `SELECT table, name FROM system.columns WHERE database = 'weir' AND comment = ''
    AND table IN (SELECT name FROM system.tables WHERE database = 'weir' AND engine = 'View') ORDER BY table, name`
  expect(await ask(columns)).toEqual([])
  const described = "SELECT comment FROM system.columns WHERE table = 'mrr_by_month' AND name = 'closing'"
  expect(String(await ask(described))).toContain('does not add up over months')
})
