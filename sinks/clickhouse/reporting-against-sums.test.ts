// The views of charges for FinOps tools (FOCUS), of one reporting currency and of MRR by the rules of others on random
// rows, held against the same figures computed in TypeScript the slow and obvious way.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Decimal } from 'decimal.js'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { migrate } from './migrate.js'
import { type ChargeRow, charges, mandatory, nullable } from './testing/focus-charges.js'
import { type Facts, monthOf, profiles, slowProfile, versions } from './testing/slow-profiles.js'
import { convert, Exact, kinds, movements, rateOn, rates, slowMonths } from './testing/slow-reporting.js'

const generousMs = 300_000
/** The same runs in CI; many others by hand. */
const manyRuns = process.env['REPORTING_RUNS']
const runs = (few: number): object =>
  manyRuns === undefined ? { numRuns: few, seed: 7, endOnFailure: true } : { numRuns: Number(manyRuns) }
let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-reporting-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
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

type Row = Readonly<Record<string, string | null>>

async function ask(query: string): Promise<Row[]> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  return (await result.json<Record<string, unknown>>()).map(row =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)]),
    ),
  )
}

const total = (some: readonly Decimal[]): Decimal => some.reduce((all, one) => all.plus(one), new Exact(0))

test(
  'FOCUS: every mandatory column is there, null only where the specification allows it, and costs add up to the charges',
  async () => {
    const columns = await ask(
      "SELECT name, type FROM system.columns WHERE database = 'weir' AND table = 'focus_charges'",
    )
    const types = new Map(columns.map(({ name, type }) => [name, type]))
    for (const [name, type] of Object.entries(mandatory))
      expect(
        `${name} ${types.get(name)?.replace(/^Nullable\((.*)\)$/, nullable.has(name) ? '$1' : '!')}`,
      ).toBe(`${name} ${type}`)
    await fc.assert(
      fc.asyncProperty(charges, async all => {
        await fill('charges', all)
        await fill('customers', [
          { customer_id: 'a', name: 'Old', event_time: '2026-01-01T00:00:00Z' },
          { customer_id: 'a', name: 'Acme', event_time: '2026-02-01T00:00:00Z' },
        ])
        const rows = await ask('SELECT * FROM focus_charges')
        expect(rows.map(row => row['x_ChargeId']).sort()).toEqual(all.map(one => one.charge_id).sort())
        for (const row of rows) {
          const charge = all.find(one => one.charge_id === row['x_ChargeId'])!
          const isCorrection = dueMonth(charge) !== dueMonth({ ...charge, corrects: '' })
          for (const cost of ['BilledCost', 'ContractedCost', 'EffectiveCost'])
            expect(new Exact(row[cost]!).eq(charge.amount_rounded)).toBe(true)
          const list = new Exact(charge.amount_rounded).plus(charge.discount_amount)
          expect(new Exact(row['ListCost']!).eq(list)).toBe(true)
          const isCredit =
            charge.kind === 'credit' || (charge.kind === 'commitment' && new Exact(charge.amount).lt(0))
          expect(row).toMatchObject({
            BillingAccountName: charge.customer_id === 'a' ? 'Acme' : null,
            BillingPeriodStart: `${dueMonth(charge)}-01 00:00:00.000000000`,
            ChargeCategory: isCredit ? 'Credit' : charge.meter === '' ? 'Purchase' : 'Usage',
            ChargeFrequency:
              charge.meter !== ''
                ? 'Usage-Based'
                : charge.period_from === charge.period_until
                  ? 'One-Time'
                  : 'Recurring',
            ChargeClass: isCorrection ? 'Correction' : null,
            PricingCategory: isCorrection ? null : 'Standard',
            ConsumedUnit: charge.meter === '' || isCorrection ? null : charge.meter,
          })
          for (const name of Object.keys(mandatory)) {
            if (!nullable.has(name)) expect(`${name} ${row[name]}`).not.toMatch(/ (null)?$/)
          }
        }
        const sums = await ask(
          'SELECT BillingCurrency, sum(BilledCost) AS cost FROM focus_charges GROUP BY ALL',
        )
        for (const { BillingCurrency, cost } of sums) {
          const own = all.filter(one => one.currency === BillingCurrency)
          expect(new Exact(cost!).eq(total(own.map(one => new Exact(one.amount_rounded))))).toBe(true)
        }
      }),
      runs(2),
    )
  },
  generousMs,
)

function dueMonth(charge: ChargeRow): string {
  if (charge.corrects !== '') return charge.recorded_at.slice(0, 7)
  if (charge.timing === 'in_advance') return charge.period_from.slice(0, 7)
  const lastMs = Math.max(Date.parse(charge.period_from), Date.parse(charge.period_until) - 1)
  return new Date(lastMs).toISOString().slice(0, 7)
}

test(
  'MRR in a reporting currency: opening, movements, first rates and fx come to closing exactly, as a slow walk by days has it',
  async () => {
    await fill('charges', [])
    await fill('rated_usage', [])
    await fc.assert(
      fc.asyncProperty(movements, rates, async (all, known) => {
        await fill('mrr_movements', all)
        await fill('fx_rates', known)
        const rows = await ask('SELECT * FROM mrr_reporting_by_currency')
        const lines = await ask('SELECT * FROM mrr_reporting_lines')
        const reporting = new Set([
          ...all.map(one => one.currency),
          ...known.flatMap(one => [one.base, one.quote]),
        ])
        let expectedRows = 0
        for (const from of new Set(all.map(one => one.currency))) {
          for (const to of reporting) {
            const months = slowMonths(all, known, from, to)
            expectedRows += months.size
            for (const [month, slow] of months) {
              const where = `${month} ${from} ${to}`
              const isHere = (row: Row): boolean =>
                `${row['month']} ${row['currency']} ${row['reporting_currency']}` === where
              const row = rows.find(isHere)!
              for (const [name, value] of Object.entries(slow.figures))
                expect(`${where} ${name} ${new Exact(row[name]!).toFixed()}`).toBe(
                  `${where} ${name} ${value.toFixed()}`,
                )
              const steps = [...kinds, 'first_rate', 'fx'].map(name => new Exact(row[name]!))
              expect(total(steps).toFixed()).toBe(
                slow.figures['closing']!.minus(slow.figures['opening']!).toFixed(),
              )
              // The slow walk rounds nothing; each movement and each balance is rounded once.
              expect(
                new Exact(row['fx']!)
                  .minus(slow.fx)
                  .abs()
                  .lte(new Exact(all.length + 2).div('1e12')),
              ).toBe(true)
              expect([row['rate_source'], row['movements_without_rate']]).toEqual([
                slow.source,
                String(slow.movementsWithoutRate),
              ])
              const told = lines.filter(isHere)
              const amounts = told.flatMap(line =>
                line['amount'] === null ? [] : [new Exact(line['amount']!)],
              )
              expect(total(amounts).toFixed()).toBe(total(steps).toFixed())
              expect(told.some(line => line['kind'] === 'missing_rate')).toBe(
                slow.source === 'missing' || slow.movementsWithoutRate > 0,
              )
            }
          }
        }
        expect(rows.length).toBe(expectedRows)
        for (const month of await ask(
          'SELECT *, length(without_rate) AS missing FROM mrr_reporting_by_month',
        )) {
          const own = rows.filter(
            row =>
              row['month'] === month['month'] && row['reporting_currency'] === month['reporting_currency'],
          )
          for (const name of ['opening', ...kinds, 'first_rate', 'fx', 'closing'])
            expect(new Exact(month[name]!).eq(total(own.map(row => new Exact(row[name]!))))).toBe(true)
          expect(month['missing']).toBe(String(own.filter(row => row['rate_source'] === 'missing').length))
        }
      }),
      runs(3),
    )
  },
  generousMs,
)

test(
  'revenue and usage are converted at the rate of their own day, and what has no rate is shown and not converted',
  async () => {
    await fill('mrr_movements', [])
    await fill('journal_entries', [])
    await fill('revenue_schedule', [])
    await fc.assert(
      fc.asyncProperty(charges, rates, async (all, known) => {
        await fill('charges', all)
        await fill('fx_rates', known)
        await fill(
          'rated_usage',
          all.map(one => ({ ...one, event_id: one.charge_id, event_time: one.period_from, event_count: 1 })),
        )
        const items = await ask('SELECT * FROM revenue_items')
        const native = await ask('SELECT * FROM revenue_by_month')
        for (const charge of all) {
          const parts = items.filter(item => item['charge_id'] === charge.charge_id)
          expect(total(parts.map(one => new Exact(one['amount']!))).eq(charge.amount_rounded)).toBe(true)
          for (const part of parts) expect(part['day']!.slice(0, 7)).toBe(part['month']!.slice(0, 7))
        }
        for (const row of await ask('SELECT * FROM revenue_reporting_by_month')) {
          const own = items.filter(
            item =>
              item['month'] === row['month'] &&
              item['currency'] === row['currency'] &&
              item['entity_id'] === row['entity_id'],
          )
          const rateOf = (item: Row) =>
            rateOn(known, row['currency']!, row['reporting_currency']!, item['day']!)
          const converted = own.flatMap(item => {
            const rate = rateOf(item)
            return rate === undefined ? [] : [convert(new Exact(item['amount']!), rate)]
          })
          const missing = own.filter(item => rateOf(item) === undefined)
          expect(new Exact(row['revenue']!).toFixed()).toBe(total(converted).toFixed())
          expect(
            new Exact(row['without_rate']!).eq(total(missing.map(one => new Exact(one['amount']!)))),
          ).toBe(true)
          const same = native.find(
            one =>
              one['month'] === row['month'] &&
              one['currency'] === row['currency'] &&
              one['entity_id'] === row['entity_id'],
          )!
          expect(new Exact(row['native_revenue']!).eq(same['revenue']!)).toBe(true)
        }
        for (const row of await ask('SELECT * FROM usage_reporting_daily')) {
          const rate = rateOn(known, row['currency']!, row['reporting_currency']!, row['day']!)
          expect(row['rate_source']).toBe(rate?.source ?? 'missing')
          if (rate === undefined) expect(row['reporting_amount']).toBe(null)
          else
            expect(new Exact(row['reporting_amount']!).eq(convert(new Exact(row['amount']!), rate))).toBe(
              true,
            )
        }
        const usage = await ask(
          'SELECT uniqExact(reporting_currency) AS asked, sum(events) AS events FROM usage_reporting_daily',
        )
        expect(Number(usage[0]!['events'])).toBe(Number(usage[0]!['asked']) * all.length)
      }),
      runs(2),
    )
  },
  generousMs,
)

test(
  'MRR by each profile is what its rules make of the movements, and the differences of any two add up to the difference',
  async () => {
    await fill('fx_rates', [])
    await fc.assert(
      fc.asyncProperty(movements, charges, versions, async (moved, billed, known) => {
        const facts: Facts = {
          movements: moved.map((one, n) => ({ ...one, subscription_id: n % 3 === 0 ? 't' : 's' })),
          charges: billed.map((one, n) => ({ ...one, subscription_id: n % 3 === 0 ? 't' : 's' })),
          versions: known,
        }
        await fill('mrr_movements', facts.movements)
        await fill('charges', facts.charges)
        await fill('subscription_versions', facts.versions)
        const slow = profiles.map(profile => ({ profile, counted: slowProfile(profile, facts) }))
        const keyOf = (...parts: readonly (string | null | undefined)[]): string => parts.join(' ')
        const expected = new Map<string, Decimal>()
        const add = (key: string, amount: Decimal): void => {
          expected.set(key, amount.plus(expected.get(key) ?? 0))
        }
        for (const { profile, counted } of slow)
          for (const one of counted) add(keyOf(profile, monthOf(one.at), one.currency, one.kind), one.amount)
        const found = await ask('SELECT * FROM mrr_profile_by_month')
        for (const row of found) {
          for (const kind of [...kinds, 'usage']) {
            const key = keyOf(row['profile'], row['month'], row['currency'], kind)
            const amount = expected.get(key) ?? new Exact(0)
            expect(`${key} ${new Exact(row[kind]!).toFixed()}`).toBe(`${key} ${amount.toFixed()}`)
            expected.delete(key)
          }
          const own = slow.find(one => one.profile === row['profile'])!.counted
          const upTo = own.filter(one => one.currency === row['currency'] && monthOf(one.at) <= row['month']!)
          expect(new Exact(row['closing']!).toFixed()).toBe(total(upTo.map(one => one.amount)).toFixed())
        }
        expect([...expected].filter(([, amount]) => !amount.isZero())).toEqual([])
        const differences = await ask('SELECT * FROM mrr_profile_differences')
        for (const { profile, counted } of slow)
          for (const other of slow) {
            const sides = [
              ...counted.map(one => [one, one.amount] as const),
              ...other.counted.map(one => [one, one.amount.neg()] as const),
            ]
            for (const [one, amount] of sides)
              add(
                keyOf(profile, other.profile, monthOf(one.at), one.currency, one.customer, one.kind),
                amount,
              )
          }
        for (const one of differences)
          add(
            keyOf(
              one['profile'],
              one['against'],
              one['month'],
              one['currency'],
              one['customer_id'],
              one['kind'],
            ),
            new Exact(one['amount']!).neg(),
          )
        expect([...expected].filter(([, amount]) => !amount.isZero())).toEqual([])
      }),
      runs(2),
    )
  },
  generousMs,
)
