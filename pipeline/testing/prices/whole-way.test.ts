// Every way in which a price is told, the whole way through a Weir that was started: what its billing runs bill is what
// `weir simulate` says is due, before and after late facts, and what some of them were worked out to by hand; every line is
// posted, explained and reconciled.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { Exact } from '../../../rating/testing/exact.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import type { ChargeEvents } from '../../explain/charge-events.js'
import { told, toldLater } from './events.js'

const generousMs = 300_000
const catalog = join(fileURLToPath(packageRoot), 'pipeline/testing/prices/catalog.yaml')

let folder: string
let weir: SupervisedWeir
let clickhouse: ClickHouseClient

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-prices-'))
  weir = await SupervisedWeir.start({ env: { WEIR_CATALOG: catalog, WEIR_PARTITIONS: '1' } })
  await weir.ready()
  clickhouse = openClickHouse(weir.clickhouse)
}, generousMs)

afterAll(async () => {
  await clickhouse?.close()
  await weir?.stop()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
}, generousMs)

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await weir.run(...args)
  expect(code, `weir ${args.join(' ')}\n${stdout}\n${stderr}\n${weir.log()}`).toBe(0)
  return stdout
}

async function call<T>(path: string, body?: readonly object[]): Promise<T> {
  const headers = { authorization: `Bearer ${weir.instance?.api_key}`, 'content-type': 'application/json' }
  const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  return (await (await fetch(`${weir.url}${path}`, { headers, ...options })).json()) as T
}

async function tell(events: readonly object[]): Promise<void> {
  expect(await call('/v1/events', events)).toMatchObject({ accepted: events.length, rejected: [] })
}

async function settled(): Promise<void> {
  while ((await weir.run('reconcile', '--json')).code !== 0) await sleep(1_000)
}

/** A run through to postings and tables, of all that was told before it. */
async function bill(cutoff: string): Promise<void> {
  await settled()
  await run('billing-run', 'create', '--cutoff', cutoff, '--wait')
  await settled()
}

/** By charge: what all its lines, credits and rebills come to. */
async function billed(): Promise<Map<string, string>> {
  const query = `SELECT if(corrects = '', charge_id, corrects) AS id, toString(sum(amount)) AS amount FROM charges GROUP BY id`
  const rows = await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<{
    id: string
    amount: string
  }>()
  return new Map(rows.map(({ id, amount }) => [id, Exact.of(amount).toPlaces(12)]))
}

/** After the first run: customer, price, beginning, amount. */
const byHand: readonly (readonly [string, string, string, string])[] = [
  ['acme', 'base', '2026-01-01', '1155.06764011166'], // 1200 less 45 x 1200 / (1200 + 7 x 10 of 31 days, less 20 %)
  ['acme', 'seats', '2026-02-01', '37.6'], // 9 - 2 = 7: 5 x 7 + 2 x 6 = 47, less 20 %
  ['bolt', 'goodwill', '2026-01-20', '-12.345'],
  ['bolt', 'storage', '2026-02-10', '30.535714285714'], // 90 x 9.5 of 28 days
  ['cora', 'support', '2026-01-15', '16.451612903226'], // 30 x 17 of 31 days
  ['dora', 'zones', '2026-01-15', '133.855'], // 5 x 3 + 100 x 0.02 + 8630 x 0.01 + (13095 + 17460) x 0.001
  ['dora', 'minimum', '2026-02-05', '40'], // 60 - 20
  ['eva', 'cost', '2026-01-05', '1760.666666666667'], // x: 1052 / 3 at 2; y: 500 at 2, 59.33... at 1
  ['eva', 'kilo', '2026-01-05', '91.69921875'], // 3130 / 1024 x 30
  ['eva', 'rebate', '2026-01-05', '-6.11328125'], // 3130 / 1024 x -2
  ['eva', 'peaks', '2026-01-05', '4225.5'], // 626 + 939 + 1252, by days of Tokyo
  ['eva', 'present', '2026-01-05', '1606.451612903226'], // (26 + 15.5) of 31 days x 1200
]

async function expectByHand(): Promise<void> {
  for (const [customer, price, from, amount] of byHand) {
    const query = `SELECT toString(sum(amount)) AS amount FROM charges
      WHERE customer_id = {customer: String} AND price = {price: String} AND toDate(period_from) = {from: String}`
    const asked = { query, query_params: { customer, price, from }, format: 'JSONEachRow' } as const
    const [row] = await (await clickhouse.query(asked)).json<{ amount: string }>()
    expect([customer, price, from, Exact.of(row!.amount).toPlaces(12)]).toEqual([
      customer,
      price,
      from,
      amount,
    ])
  }
}

async function kinds(): Promise<string[]> {
  const query = 'SELECT DISTINCT kind FROM charges ORDER BY kind'
  const rows = await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<{ kind: string }>()
  return rows.map(row => row.kind)
}

/** By charge: what is due by the cutoff of all that was told. What begins with the cutoff is due in advance. */
async function due(events: readonly object[], cutoff: string): Promise<Map<string, string>> {
  const file = join(folder, 'events.ndjson')
  writeFileSync(file, events.map(one => JSON.stringify(one)).join('\n'))
  const asOf = new Date(Date.parse(cutoff) + 1).toISOString()
  const args = ['--catalog', catalog, '--events', file, '--as-of', asOf, '--json']
  const { charges } = JSON.parse(await run('simulate', ...args)) as { charges: ChargeWire[] }
  const isDue = ({ timing, service_period: { from, until } }: ChargeWire) =>
    Date.parse(timing === 'in_arrears' ? until : from) <= Date.parse(cutoff)
  return new Map(charges.filter(isDue).map(one => [one.charge_id, Exact.of(one.amount).toPlaces(12)]))
}

test(
  'what runs bill of every kind of price is what simulate says is due, before and after late facts',
  async () => {
    await tell(told)
    await bill('2026-03-06T00:00:00Z')
    const first = await billed()
    expect(first).toEqual(await due(told, '2026-03-06T00:00:00Z'))
    await expectByHand()
    await tell(toldLater)
    await bill('2026-03-07T00:00:00Z')
    const owed = await due([...told, ...toldLater], '2026-03-07T00:00:00Z')
    const second = await billed()
    for (const [id, amount] of second) expect([id, amount]).toEqual([id, owed.get(id) ?? '0'])
    for (const [id, amount] of owed) expect([id, amount]).toEqual([id, second.get(id)])
    expect(await kinds()).toEqual(['adjustment', 'commitment', 'credit', 'one_off', 'recurring', 'usage'])
    for (const id of owed.keys()) {
      const { amount, discount_amount: off, lines } = await call<ChargeEvents>(`/v1/charges/${id}/events`)
      expect([id, Exact.of(amount).minus(off).toPlaces(12), lines.length > 0]).toEqual([
        id,
        owed.get(id),
        true,
      ])
    }
  },
  generousMs,
)
