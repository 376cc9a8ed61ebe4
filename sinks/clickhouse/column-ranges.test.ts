// Every column of every table against the range of what is accepted: what goes in at either end of it is read back
// the same, and no view stumbles over it. A column is covered by its kind, so a new one is covered by itself.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { serviceCalendar } from '../../rating/periods/service-period.js'
import { straightLine } from '../../rating/recognition/straight-line.js'
import { monthsInUtc } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { batchToWire, sealBatch } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { type JournalEntry, journalToWire } from '../../schemas/billing/journal-entry.js'
import { formatScaled, scaledMax } from '../../schemas/money/decimal.js'
import type { Column, ColumnKind, TableDescription } from '../../schemas/table-description.js'
import { tables } from '../../schemas/tables.js'
import { msOf, nanosOf, nsOf, rangeEndMs } from '../../schemas/time.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { migrate } from './migrate.js'
import { insertsOfBilling, insertsOfPostings } from './records.js'
import { ClickHouseSink, type ReadRange } from './sink.js'

const lastNs = nsOf(rangeEndMs) - 1n
const calendar = serviceCalendar(lastNs, 'Pacific/Pago_Pago', 'year')
/** The latest that any period ends. */
const lastEndNs = calendar.periodAt(lastNs).untilNs

const long = 'x'.repeat(256)
const texts = ['in_advance', long, '😀'.repeat(256), 'é\t\n"\\\'', '']

/** Of coprime lengths where it matters, so that rows bring them together in many ways. */
const extremes: Readonly<Record<ColumnKind, readonly unknown[]>> = {
  string: ['a', long, '😀'.repeat(256), '日本\t\n"\\\'', ''],
  low_cardinality: texts,
  instant_ms: [0, rangeEndMs - 1],
  instant_ns: [0n, 1n, lastNs, lastNs],
  nullable_instant_ns: [undefined, 0n, lastNs],
  date: ['1969-12-01', '1969-12-31', '2199-12-31', '2200-01-01', '2200-12-01', '2201-01-01'],
  decimal: [scaledMax, -scaledMax, 1n, -1n, 0n, scaledMax, -scaledMax],
  uint32: [0, 1, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int8: [-128, 127, 1],
  int64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  map: [new Map(), new Map([[long, '😀'.repeat(256)]])],
}
/** Ends, beside the beginnings of `instant_ns`. */
const ends = [lastEndNs, 1n, lastEndNs, lastNs]
const rowCount = 140

function rowsOf(table: TableDescription<unknown>): Record<string, unknown>[] {
  return Array.from({ length: rowCount }, (_, i) =>
    Object.fromEntries(
      table.columns.map(({ name, kind, field }) => {
        const values = kind === 'instant_ns' && name.endsWith('_until') ? ends : extremes[kind]
        return [field, values[i % values.length]]
      }),
    ),
  )
}

/** As ClickHouse writes it. */
function shown({ kind }: Column, value: unknown): unknown {
  if (value === undefined) return null
  if (kind === 'decimal') return formatScaled(value as bigint)
  if (kind === 'uint64' || kind === 'int64') return String(value)
  if (kind === 'map') return Object.fromEntries(value as Map<string, string>)
  if (kind === 'instant_ms') return clock(value as number)
  if (kind !== 'instant_ns' && kind !== 'nullable_instant_ns') return value
  return clock(msOf(value as bigint)) + String(nanosOf(value as bigint)).padStart(6, '0')
}

const clock = (ms: number) => new Date(ms).toISOString().replace('T', ' ').slice(0, -1)

let dataDir: string
let server: EmbeddedClickhouse
let config: ClickHouseConfig
let client: ClickHouseClient
const signal = new AbortController().signal

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-ranges-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
})

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function ask(query: string): Promise<unknown[][]> {
  const settings = {
    output_format_json_quote_decimals: 1,
    output_format_json_quote_64bit_integers: 1,
  } as const
  const result = await client.query({ query, format: 'JSONCompactEachRow', clickhouse_settings: settings })
  return result.json<unknown[]>()
}

async function apply(read: ReadRange, bytes: Uint8Array): Promise<unknown> {
  const sink = new ClickHouseSink(config, read)
  const message = { sequence: 1, natsSubject: 'any', bytes, storedAtMs: rangeEndMs - 1 }
  try {
    const token = `${bytes.length}:${Math.random()}`
    return await sink.apply({ stream: 'S', from: 1, to: 1, token, messages: [message] }, signal)
  } finally {
    await sink.close()
  }
}

test.each(tables)('$name holds the least and the greatest of every column', async table => {
  const rows = rowsOf(table)
  const whole: ReadRange = ([message]) => ({
    kind: 'ok',
    inserts: [{ table: table.name, name: table.name, parts: [message!.bytes] }],
  })
  expect(await apply(whole, encodeRows(table, rows))).toEqual({ kind: 'ok', rows: rowCount })
  const names = table.columns.map(({ name }) => `\`${name}\``)
  const found = await ask(`SELECT ${names.join(', ')} FROM ${table.name}`)
  const wanted = rows.map(row => table.columns.map(column => shown(column, row[column.field])))
  const sorted = (all: readonly unknown[]) => all.map(one => JSON.stringify(one)).sort()
  expect(sorted(found)).toEqual(sorted(wanted))
})

test('every view answers over such rows', async () => {
  const views = await ask("SELECT name FROM system.tables WHERE database = 'weir' AND engine = 'View'")
  expect(views.length).toBeGreaterThan(9)
  const empty: unknown[] = []
  for (const [view] of views) {
    const rows = await ask(`SELECT * FROM ${view}`)
    if (rows.length === 0) empty.push(view)
  }
  // What they look for is not among the least and the greatest rows.
  expect(empty.sort()).toEqual([
    'deferred_revenue',
    'dispute_states',
    'fx_days',
    'invoice_balances',
    'kpi_changes',
    'kpi_payments',
    'kpi_postings',
    'kpi_tax_refusals',
    'kpi_unapplied_cash',
    'mrr_free_instants',
    'mrr_paid_until',
    'mrr_profile_differences',
    'payment_attempts',
    'payments_failing',
    'payments_to_look_at',
    'tax_lines',
  ])
})

const zones = ['Pacific/Pago_Pago', 'UTC', 'Pacific/Kiritimati']
const starts = [0n, nsOf(Date.UTC(2199, 5, 30)), lastNs]
test.each(zones.flatMap(zone => starts.map(fromNs => [zone, fromNs] as const)))(
  'a year in %s from %i is billed and earned to its end, also after 2199',
  async (timezone, fromNs) => {
    for (const table of ['billing_batches', 'journal_entries', 'revenue_schedule'])
      await client.command({ query: `TRUNCATE TABLE ${table}` })
    const untilNs = serviceCalendar(fromNs, timezone, 'year').periodAt(fromNs).untilNs
    const charge = { ...sample, timezone, fromNs, untilNs }
    const batch = { billingRunId: 'run', entityId: 'e', currency: 'USD', number: 1, of: 1, lines: [charge] }
    const bytes = (wire: unknown) => Buffer.from(JSON.stringify(wire))
    expect(await apply(insertsOfBilling, bytes(batchToWire(sealBatch(batch))))).toEqual({
      kind: 'ok',
      rows: 2,
    })
    const schedule = straightLine(charge, charge.amountRounded, 2, monthsInUtc)
    const entry: JournalEntry = { ...entryOf(charge), accountingDate: schedule[0]!.month, schedule }
    const rows = 2 + schedule.length
    expect(await apply(insertsOfPostings, bytes(journalToWire(entry)))).toEqual({ kind: 'ok', rows })
    expect(
      await ask(`SELECT toString(min(toUnixTimestamp64Nano(earned_from))), toString(max(toUnixTimestamp64Nano(earned_until))),
      toString(min(month)), toString(max(month)), toString(sum(toDecimal256(amount, 12))) FROM revenue_schedule`),
    ).toEqual([
      [
        String(fromNs),
        String(untilNs),
        schedule[0]!.month,
        schedule.at(-1)!.month,
        formatScaled(charge.amountRounded),
      ],
    ])
    expect(
      await ask('SELECT DISTINCT toString(toUnixTimestamp64Nano(period_until)) FROM journal_entries'),
    ).toEqual([[String(untilNs)]])
  },
)

const sample: Charge = {
  chargeId: 'ch',
  customerId: 'c',
  subscriptionId: 's',
  subscriptionVersion: Number.MAX_SAFE_INTEGER,
  entityId: 'e',
  contractId: '',
  correlationId: '',
  plan: 'p',
  planVersion: 2 ** 32 - 1,
  price: 'base',
  meter: '',
  kind: 'recurring',
  timing: 'in_advance',
  fromNs: 0n,
  untilNs: 0n,
  timezone: 'UTC',
  quantity: 1n,
  amount: 10n ** 38n - 10n ** 10n,
  amountRounded: 10n ** 38n - 10n ** 10n,
  currency: 'USD',
  status: 'closed',
  billingRunId: 'run',
}

function entryOf(charge: Charge): Omit<JournalEntry, 'schedule'> {
  const { chargeId, customerId, contractId, subscriptionId, subscriptionVersion, fromNs, untilNs } = charge
  const amount = charge.amountRounded
  return {
    journalId: 'j',
    idempotencyKey: 'k',
    entityId: charge.entityId,
    currency: charge.currency,
    accountingDate: '1969-12-31',
    accountingPeriod: '1969-12',
    kind: 'journal',
    corrects: '',
    plan: charge.plan,
    planVersion: charge.planVersion,
    price: charge.price,
    meter: charge.meter,
    chargeKind: charge.kind,
    timing: charge.timing,
    serviceDays: { first: '1970-01-01', last: '1970-01-01' },
    timezone: 'UTC',
    lines: [
      { account: 'receivable', role: 'receivable', debit: amount, credit: 0n, segments: new Map() },
      { account: 'deferred', role: 'deferred_revenue', debit: 0n, credit: amount, segments: new Map() },
    ],
    chargeId,
    customerId,
    contractId,
    subscriptionId,
    subscriptionVersion,
    fromNs,
    untilNs,
    performanceObligation: '',
    correlationId: '',
    source: { billingRunId: 'run', batchId: 'b', releaseId: '' },
  }
}
