// `revenue_by_month` over charges of several time zones, credits and rebills, posted as the sinks post them, held against
// the same months computed the slow and obvious way: by looking at clocks, not by calendars.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { runLines } from '../../rating/charges/run-lines.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { defaultCalendars, monthsInUtc } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { sealBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { journalToWire } from '../../schemas/billing/journal-entry.js'
import { formatScaled, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { formatInstant, msOf, nsOf } from '../../schemas/time.js'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { insertsOfPostings } from '../../sinks/clickhouse/records.js'
import { ClickHouseSink } from '../../sinks/clickhouse/sink.js'
import { noMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import { postingOf } from '../postings/entries.js'
import { placeBy } from '../postings/entry-parts.js'

const generousMs = 300_000
const never = new AbortController().signal
const zones = ['Pacific/Auckland', 'America/Los_Angeles', 'UTC', 'Asia/Kolkata'] as const
const halfHourNs = nsOf(1_800_000)

let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient
let sink: ClickHouseSink
let posted = 0

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-revenue-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
  sink = new ClickHouseSink(config, insertsOfPostings)
}, generousMs)

afterAll(async () => {
  await sink?.close()
  await client?.close()
  await server?.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const parsedMapping = parseAccountMapping(
  `rules:
  - match: {}
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription`,
  'accounts.yaml',
)
const mapping = parsedMapping.kind === 'ok' ? parsedMapping.mapping : noMapping

interface Line {
  readonly charge: Charge
  readonly cutoffNs: bigint
}

/** Writes to ClickHouse what the feeds of LEDGER and POSTINGS would write for the lines of billing runs. */
async function bring(lines: readonly Line[]): Promise<void> {
  for (const table of ['charges', 'journal_entries', 'revenue_schedule'])
    await client.command({ query: `TRUNCATE TABLE ${table}` })
  const values = lines.map(({ charge }) => ({
    charge_id: charge.chargeId,
    entity_id: charge.entityId,
    kind: charge.kind,
    timing: charge.timing,
    period_from: formatInstant(charge.fromNs),
    period_until: formatInstant(charge.untilNs),
    timezone: charge.timezone,
    amount_rounded: formatScaled(charge.amountRounded),
    currency: charge.currency,
  }))
  const settings = { date_time_input_format: 'best_effort' } as const
  if (values.length > 0)
    await client.insert({
      table: 'charges',
      values,
      format: 'JSONEachRow',
      clickhouse_settings: settings,
    })
  const messages = lines.flatMap(({ charge, cutoffNs }) => {
    const { entityId, currency } = charge
    const run = { billingRunId: charge.billingRunId ?? '', number: 1, of: 1 }
    const batch = sealBatch({ ...run, entityId, currency, lines: [charge] })
    const place = placeBy(defaultCalendars, [])
    const rules = { mapping, recognitionOf: (one: Charge) => recognise(one, cutoffNs, monthsInUtc), place }
    const posting = postingOf(batch, charge, rules)
    if (posting.kind === 'refused') throw new Error(posting.detail)
    const entries = posting.kind === 'nothing' ? [] : [posting.entry, ...posting.releases]
    return entries.map(dated => {
      const entry = { ...dated, accountingPeriod: dated.accountingDate.slice(0, 7) }
      posted += 1
      const bytes = Buffer.from(JSON.stringify(journalToWire(entry)))
      return { sequence: posted, natsSubject: 'postings.x', bytes, storedAtMs: 1_700_000_000_000 }
    })
  })
  if (messages.length === 0) return
  const [from, to] = [messages[0]!.sequence, posted]
  const range = { stream: 'POSTINGS', from, to, token: `t${to}`, messages }
  const outcome = await sink.apply(range, never)
  expect(outcome).toEqual({ kind: 'ok', rows: expect.any(Number) }) // nothing refused
}

const columnOf: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ usage: 'usage', recurring: 'recurring', adjustment: 'adjustments' },
    ...{ one_off: 'one_off', credit: 'credits', commitment: 'commitments' },
  }),
)

/** Figures by month, currency and column that are not 0. */
async function revenue(): Promise<Map<string, string>> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const query = 'SELECT * FROM revenue_by_month'
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  const figures = new Map<string, string>()
  for (const row of await result.json<Record<string, string>>()) {
    for (const column of [...new Set(columnOf.values()), 'revenue'])
      if (row[column] !== '0') figures.set(`${row['month']} ${row['currency']} ${column}`, row[column]!)
  }
  return new Map([...figures].sort())
}

const clocks = new Map(
  zones.map(zone => {
    const timeZone = { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' } as const
    return [
      zone as string,
      { clock: new Intl.DateTimeFormat('en-CA', timeZone), seen: new Map<bigint, string>() },
    ]
  }),
)

/** What the wall calendar shows, looked up each half hour: no zone here changes its day between. */
function localDay(atNs: bigint, zone: string): string {
  const { clock, seen } = clocks.get(zone)!
  const halfHour = atNs / halfHourNs
  const known = seen.get(halfHour)
  if (known !== undefined) return known
  const day = clock.format(msOf(halfHour * halfHourNs))
  seen.set(halfHour, day)
  return day
}

const localMonth = (atNs: bigint, zone: string) => `${localDay(atNs, zone).slice(0, 7)}-01`

/** A day earns as much as another, also when clocks change in it: of 46, 48 or 50 half hours each earns its part. */
const wholeDay = 27_600n
function weightOf(atNs: bigint, zone: string): bigint {
  const day = localDay(atNs, zone)
  let count = 0n
  for (let n = -50n; n <= 50n; n += 1n) if (localDay(atNs + n * halfHourNs, zone) === day) count += 1n
  return wholeDay / count
}

function slowRevenue(lines: readonly Line[]): Map<string, string> {
  const sums = new Map<string, Scaled>()
  for (const { charge, cutoffNs } of lines) {
    for (const [month, amount] of earnedOf(charge, cutoffNs)) {
      for (const column of [columnOf.get(charge.kind)!, 'revenue']) {
        const key = `${month} ${charge.currency} ${column}`
        sums.set(key, (sums.get(key) ?? 0n) + amount)
      }
    }
  }
  const figures = [...sums]
    .filter(([, sum]) => sum !== 0n)
    .map(([key, sum]) => [key, formatScaled(sum)] as const)
  return new Map(figures.sort())
}

function earnedOf(charge: Charge, cutoffNs: bigint): [month: string, amount: Scaled][] {
  const { fromNs, untilNs, timezone, amountRounded: whole, currency } = charge
  if (charge.timing === 'in_arrears') {
    const ownNs = untilNs === fromNs ? fromNs : untilNs - 1n
    const bookedNs = charge.kind === 'adjustment' && cutoffNs > untilNs ? cutoffNs - 1n : ownNs
    return [[localMonth(bookedNs, timezone), whole]]
  }
  const unit = currency === 'JPY' ? scaledOne : scaledOne / 100n
  const sign = whole < 0n ? -1n : 1n
  let length = 0n
  for (let atNs = fromNs; atNs < untilNs; atNs += halfHourNs) length += weightOf(atNs, timezone)
  // Half up of the magnitude, which is half away from zero.
  const earnedBy = (weight: bigint): Scaled =>
    sign * unit * ((2n * ((sign * whole) / unit) * weight + length) / (2n * length))
  const parts: [string, Scaled][] = []
  let [began, reached] = [0n, 0n]
  for (let atNs = fromNs; atNs < untilNs; atNs += halfHourNs) {
    reached += weightOf(atNs, timezone)
    const endsNs = atNs + halfHourNs
    const month = localMonth(atNs, timezone)
    if (endsNs < untilNs && localMonth(endsNs, timezone) === month) continue
    parts.push([month, earnedBy(reached) - earnedBy(began)])
    began = reached
  }
  return parts
}

const december = (zone: string, from: string, until: string, more: Partial<Charge> = {}): Charge => ({
  chargeId: `ch ${zone} ${from}`,
  customerId: `of ${zone}`,
  subscriptionId: 's',
  subscriptionVersion: 1,
  entityId: '',
  contractId: '',
  correlationId: '',
  plan: 'p',
  planVersion: 1,
  price: 'base',
  meter: '',
  kind: 'recurring',
  timing: 'in_advance',
  fromNs: nsOf(Date.parse(from)),
  untilNs: nsOf(Date.parse(until)),
  timezone: zone,
  quantity: scaledOne,
  amount: 31n * scaledOne,
  amountRounded: 31n * scaledOne,
  currency: 'USD',
  status: 'closed',
  billingRunId: 'r1',
  ...more,
})

test(
  'a local December is December alone, wherever it is; a credit and a rebill move what is earned after it',
  async () => {
    const cutoffNs = nsOf(Date.UTC(2027, 0, 2))
    const whole = [
      december('Pacific/Auckland', '2026-12-01T00:00:00+13:00', '2027-01-01T00:00:00+13:00'),
      december('America/Los_Angeles', '2026-12-01T00:00:00-08:00', '2027-01-01T00:00:00-08:00'),
      december('UTC', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'),
    ]
    const inTwo = december('Pacific/Auckland', '2026-12-16T00:00:00+13:00', '2027-01-16T00:00:00+13:00')
    const shorter = { ...inTwo, untilNs: whole[0]!.untilNs, amountRounded: 16n * scaledOne }
    const lines = [...whole, inTwo].map(charge => ({ charge, cutoffNs }))
    await bring(lines)
    expect([...(await revenue())]).toEqual([
      ['2026-12-01 USD recurring', '109'],
      ['2026-12-01 USD revenue', '109'],
      ['2027-01-01 USD recurring', '15'],
      ['2027-01-01 USD revenue', '15'],
    ])
    const adjusted = runLines({ billingRunId: 'r2' }, { billed: inTwo }, shorter).lines
    expect(adjusted).toHaveLength(2)
    const all = [...lines, ...adjusted.map(charge => ({ charge, cutoffNs }))]
    await bring(all)
    const expected = [
      ['2026-12-01 USD recurring', '109'],
      ['2026-12-01 USD revenue', '109'],
      ['2027-01-01 USD adjustments', '-15'],
      ['2027-01-01 USD recurring', '15'],
    ]
    expect([...(await revenue())]).toEqual(expected)
    expect([...slowRevenue(all)]).toEqual(expected)
  },
  generousMs,
)

test(
  'a charge without length is earned in the local month of its instant, posted or not',
  async () => {
    const once = (zone: string, at: string, kind: 'one_off' | 'credit', amount: bigint) =>
      december(zone, at, at, {
        kind,
        timing: 'in_arrears',
        chargeId: `${kind} ${zone}`,
        amountRounded: amount * scaledOne,
      })
    const lines = [
      once('Pacific/Auckland', '2026-12-01T00:00:00+13:00', 'one_off', 50n),
      once('America/Los_Angeles', '2026-12-01T00:00:00Z', 'one_off', 7n),
      once('UTC', '2026-12-01T00:00:00Z', 'credit', -20n),
    ].map(charge => ({ charge, cutoffNs: nsOf(Date.UTC(2027, 0, 2)) }))
    await bring(lines)
    const expected = [
      ['2026-11-01 USD one_off', '7'],
      ['2026-11-01 USD revenue', '7'],
      ['2026-12-01 USD credits', '-20'],
      ['2026-12-01 USD one_off', '50'],
      ['2026-12-01 USD revenue', '30'],
    ]
    expect([...(await revenue())]).toEqual(expected)
    expect([...slowRevenue(lines)]).toEqual(expected)
    await client.command({ query: 'TRUNCATE TABLE journal_entries' })
    const unposted = await revenue() // in UTC
    expect(unposted.get('2026-12-01 USD credits')).toBe('-20')
    expect(unposted.get('2026-12-01 USD one_off')).toBe('7')
  },
  generousMs,
)

const state = fc.option(
  fc.record({
    halfHours: fc.integer({ min: 1, max: 48 * 100 }),
    units: fc.integer({ min: -99_999, max: 99_999 }),
    timing: fc.constantFrom('in_advance' as const, 'in_advance' as const, 'in_arrears' as const),
  }),
)
const histories = fc.array(
  fc.record({
    beginsAfter: fc.nat(48 * 120),
    timezone: fc.constantFrom(...zones),
    currency: fc.constantFrom('USD', 'JPY'),
    kind: fc.constantFrom('recurring' as const, 'usage' as const),
    states: fc.array(state, { minLength: 1, maxLength: 4 }),
  }),
  { minLength: 1, maxLength: 8 },
)

function linesOf(all: typeof histories extends fc.Arbitrary<infer T> ? T : never): Line[] {
  return all.flatMap(({ beginsAfter, timezone, currency, kind, states }, index) => {
    const unit = currency === 'JPY' ? scaledOne : scaledOne / 100n
    const fromNs = nsOf(Date.UTC(2026, 7, 20)) + BigInt(beginsAfter) * halfHourNs
    let before: { billed: Charge | undefined } | undefined
    return states.flatMap((one, run) => {
      const amount = BigInt(one?.units ?? 0) * unit
      const due: Charge | undefined =
        one === null
          ? undefined
          : {
              ...december(timezone, '2026-12-01T00:00:00Z', '2026-12-02T00:00:00Z'),
              ...{
                chargeId: `ch_${index}`,
                kind,
                currency,
                timing: one.timing,
                fromNs,
                amount,
                amountRounded: amount,
              },
              untilNs: fromNs + BigInt(one.halfHours) * halfHourNs,
            }
      const { lines, billed } = runLines({ billingRunId: `r${run}` }, before, due)
      if (lines.length > 0) before = { billed }
      return lines.map(charge => ({ charge, cutoffNs: nsOf(Date.UTC(2026, 9 + run * 2, 1)) }))
    })
  })
}

test(
  'revenue by month is what the clocks of the subscriptions say, to the minor unit, over credits and rebills',
  async () => {
    await fc.assert(
      fc.asyncProperty(histories, async all => {
        const lines = linesOf(all)
        await bring(lines)
        expect([...(await revenue())]).toEqual([...slowRevenue(lines)])
      }),
      { numRuns: 12, endOnFailure: true },
    )
  },
  generousMs,
)
