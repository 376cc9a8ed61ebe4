// The views of MRR and usage on random rows, held against the same figures computed in TypeScript the slow and obvious
// way; and on rows at the ends of time.

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
import { migrate } from './migrate.js'

const generousMs = 300_000
Decimal.set({ precision: 80 })
let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-views-sums-'))
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

const kinds = ['new_business', 'expansion', 'contraction', 'churn', 'reactivation', 'transfer'] as const

interface Movement {
  readonly movement_id: string
  readonly customer_id: string
  readonly currency: string
  readonly kind: (typeof kinds)[number]
  readonly amount: string
  readonly effective_at: string
}

const instant = fc.date({
  min: new Date('2024-11-01T00:00:00Z'),
  max: new Date('2026-02-28T23:59:59.999Z'),
  noInvalidDate: true,
})
const movements: fc.Arbitrary<Movement[]> = fc.array(
  fc.record({
    movement_id: fc.uuid(),
    customer_id: fc.constantFrom('a', 'b', 'c'),
    currency: fc.constantFrom('USD', 'JPY'),
    kind: fc.constantFrom(...kinds),
    amount: fc
      .bigInt({ min: -(10n ** 20n), max: 10n ** 20n })
      .map(n => new Decimal(String(n)).div('1e12').toFixed(12)),
    effective_at: instant.map(date => date.toISOString()),
  }),
  { maxLength: 25 },
)

const monthsBetween = (first: string, last: string): string[] => {
  const months: string[] = []
  for (let at = first; at <= last; ) {
    months.push(at)
    const [year, month] = at.split('-').map(Number) as [number, number]
    at = month === 12 ? `${year + 1}-01-01` : `${year}-${String(month + 1).padStart(2, '0')}-01`
  }
  return months
}
const monthOf = ({ effective_at }: Movement): string => `${effective_at.slice(0, 7)}-01`
const sum = (some: readonly Movement[]): Decimal =>
  some.reduce((total, one) => total.plus(one.amount), new Decimal(0))

function expectedMrr(all: readonly Movement[]): Map<string, Row> {
  const rows = new Map<string, Row>()
  for (const currency of new Set(all.map(one => one.currency))) {
    const own = all.filter(one => one.currency === currency)
    const months = own.map(monthOf).sort()
    for (const month of monthsBetween(months[0]!, months.at(-1)!)) {
      const inMonth = own.filter(one => monthOf(one) === month)
      rows.set(`${currency} ${month}`, {
        opening: sum(own.filter(one => monthOf(one) < month)).toFixed(),
        closing: sum(own.filter(one => monthOf(one) <= month)).toFixed(),
        ...Object.fromEntries(
          kinds.map(kind => [kind, sum(inMonth.filter(one => one.kind === kind)).toFixed()]),
        ),
      })
    }
  }
  return rows
}

test(
  'MRR and ARR by month are the sums of the movements, exact, over every month of the data and no other',
  async () => {
    await fc.assert(
      fc.asyncProperty(movements, async all => {
        await fill('mrr_movements', all)
        const expected = expectedMrr(all)
        for (const [view, factor] of [
          ['mrr_by_month', 1],
          ['arr_by_month', 12],
        ] as const) {
          const rows = await ask(`SELECT * FROM ${view}`)
          expect(rows.map(row => `${row['currency']} ${row['month']}`).sort()).toEqual(
            [...expected.keys()].sort(),
          )
          for (const { currency, month, ...figures } of rows) {
            for (const [name, value] of Object.entries(expected.get(`${currency} ${month}`)!))
              expect(`${name} ${new Decimal(figures[name]!).toFixed()}`).toBe(
                `${name} ${new Decimal(value!).times(factor).toFixed()}`,
              )
          }
        }
      }),
      { numRuns: 15, endOnFailure: true },
    )
  },
  generousMs,
)

test(
  'churn, retention and cohorts count each customer as the movements have it',
  async () => {
    await fc.assert(
      fc.asyncProperty(movements, async all => {
        await fill('mrr_movements', all)
        const rows = await ask('SELECT * FROM churn_by_month')
        const kept = new Map(
          (await ask('SELECT * FROM retention_by_month')).map(row => [
            `${row['currency']} ${row['month']}`,
            row,
          ]),
        )
        for (const row of rows) {
          const own = all.filter(one => one.currency === row['currency'])
          const customers = [...new Set(own.map(one => one.customer_id))].map(customer => {
            const theirs = own.filter(one => one.customer_id === customer)
            const opening = sum(theirs.filter(one => monthOf(one) < row['month']!))
            const stays = theirs.filter(one => monthOf(one) === row['month'] && one.kind !== 'transfer')
            return { opening, closing: opening.plus(sum(stays)) }
          })
          const before = customers.filter(one => one.opening.gt(0))
          const lost = before.filter(one => one.closing.lt(one.opening))
          const total = (some: readonly { opening: Decimal; closing: Decimal }[]): Decimal =>
            some.reduce((all, one) => all.plus(one.opening).minus(one.closing), new Decimal(0))
          const openingMrr = before.reduce((all, one) => all.plus(one.opening), new Decimal(0))
          expect(row['customers_opening']).toBe(String(before.length))
          expect(row['customers_churned']).toBe(String(before.filter(one => one.closing.lte(0)).length))
          expect(new Decimal(row['opening_mrr']!).eq(openingMrr)).toBe(true)
          expect(new Decimal(row['lost_mrr']!).eq(total(lost))).toBe(true)
          const retention = kept.get(`${row['currency']} ${row['month']}`)!
          expect(new Decimal(retention['retained_mrr']!).eq(openingMrr.minus(total(lost)))).toBe(true)
        }
        for (const row of await ask('SELECT * FROM cohort_retention')) {
          const own = all.filter(one => one.currency === row['currency'])
          const first = (customer: string): string =>
            own
              .filter(one => one.customer_id === customer)
              .map(monthOf)
              .sort()[0]!
          const cohort = [...new Set(own.map(one => one.customer_id))].filter(
            one => first(one) === row['cohort_month'],
          )
          const mrr = cohort.map(one =>
            sum(own.filter(m => m.customer_id === one && monthOf(m) <= row['month']!)),
          )
          expect(row['cohort_customers']).toBe(String(cohort.length))
          expect(row['customers_active']).toBe(String(mrr.filter(one => one.gt(0)).length))
        }
      }),
      { numRuns: 10, endOnFailure: true },
    )
  },
  generousMs,
)

test(
  'months at the ends of time are first days of months, and begin and end with the data',
  async () => {
    const at = (effective_at: string, amount: string, currency: string) => ({
      movement_id: effective_at,
      customer_id: currency,
      currency,
      kind: Number(amount) < 0 ? 'churn' : 'new_business',
      amount,
      effective_at,
    })
    await fill('mrr_movements', [
      at('2026-10-31T23:59:59.999Z', '30', 'USD'),
      at('1970-01-31T00:00:00Z', '1', 'OLD'),
      at('1970-03-01T00:00:00Z', '-1', 'OLD'),
      at('2149-06-30T00:00:00Z', '2', 'FAR'),
      at('2199-12-31T23:59:59.999Z', '-2', 'FAR'),
    ])
    for (const view of [
      'mrr_by_month',
      'arr_by_month',
      'churn_by_month',
      'retention_by_month',
      'cohort_retention',
      'customer_mrr_by_month',
    ]) {
      const months = `SELECT currency, toString(min(month)) AS first, toString(max(month)) AS last,
      toString(uniqExact(month)) AS months, toString(countIf(toDayOfMonth(month) != 1)) AS odd
      FROM ${view} GROUP BY currency ORDER BY currency`
      expect([view, await ask(months)]).toEqual([
        view,
        [
          { currency: 'FAR', first: '2149-06-01', last: '2199-12-01', months: String(50 * 12 + 7), odd: '0' },
          { currency: 'OLD', first: '1970-01-01', last: '1970-03-01', months: '3', odd: '0' },
          { currency: 'USD', first: '2026-10-01', last: '2026-10-01', months: '1', odd: '0' },
        ],
      ])
    }
  },
  generousMs,
)

const aggregations = [
  'sum',
  'count',
  'max',
  'min',
  'latest',
  'unique_count',
  'time_average',
  'percentile',
] as const

interface Reading {
  readonly meter: (typeof aggregations)[number]
  readonly event_id: string
  readonly event_time: string
  readonly quantity: number
  readonly takenBack: boolean
}

const readings: fc.Arbitrary<Reading[]> = fc.uniqueArray(
  fc.record({
    meter: fc.constantFrom(...aggregations),
    event_id: fc.nat(60).map(n => `e${n}`),
    event_time: fc.integer({ min: 0, max: 71 }).map(h => new Date(Date.UTC(2106, 1, 6, h)).toISOString()),
    quantity: fc.nat(9),
    takenBack: fc.boolean(),
  }),
  { selector: one => `${one.meter} ${one.event_id}`, maxLength: 50 },
)

function figureOf(meter: string, some: readonly Reading[]): string | null {
  const values = some.map(one => one.quantity)
  switch (meter) {
    case 'sum':
    case 'count':
      return String(values.reduce((all, one) => all + one, 0))
    case 'max':
      return String(Math.max(0, ...values))
    case 'min':
      return String(values.length === 0 ? 0 : Math.min(...values))
    case 'latest': {
      const order = (one: Reading): string => `${one.event_time} ${one.event_id}`
      return String([...some].sort((a, b) => (order(a) < order(b) ? -1 : 1)).at(-1)?.quantity ?? 0)
    }
    case 'unique_count':
      return String(new Set(values).size)
    default:
      return null
  }
}

test(
  'usage by day and by hour says what the aggregation of each meter makes of the events, and adds up no maxima',
  async () => {
    await fill(
      'meters',
      aggregations.map(one => ({ meter: one, aggregation: one })),
    )
    await fc.assert(
      fc.asyncProperty(readings, async all => {
        const row = ({ takenBack: _, ...reading }: Reading) => ({
          ...reading,
          value: String(reading.quantity),
          customer_id: 'c',
        })
        await fill('rated_usage', [
          ...all.map(one => ({ ...row(one), event_count: 1, amount: '1' })),
          ...all
            .filter(one => one.takenBack)
            .map(one => ({ ...row(one), quantity: -one.quantity, event_count: -1, amount: '-1' })),
        ])
        for (const [view, column, length] of [
          ['usage_daily', 'day', 10],
          ['usage_hourly', 'hour', 13],
        ] as const) {
          for (const found of await ask(`SELECT *, toString(${column}) AS at FROM ${view}`)) {
            const at = found['at']!.replace(' ', 'T').slice(0, length)
            const there = all.filter(
              one => one.meter === found['meter'] && one.event_time.slice(0, length) === at,
            )
            const counted = there.filter(one => !one.takenBack)
            expect(there.length).toBeGreaterThan(0)
            expect([found['meter'], found['events'], found['quantity'], found['amount']]).toEqual([
              found['meter'],
              String(counted.length),
              figureOf(found['meter']!, counted),
              String(counted.length),
            ])
            expect(found['quantity_adds_up']).toBe(['sum', 'count'].includes(found['meter']!) ? '1' : '0')
          }
        }
      }),
      { numRuns: 12, endOnFailure: true },
    )
  },
  generousMs,
)
