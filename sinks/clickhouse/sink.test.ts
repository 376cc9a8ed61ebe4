// Ranges into a real engine: once, whatever is repeated.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { batchFromWire } from '../../schemas/billing/billing-batch.js'
import {
  type EventDispositionsRow,
  eventDispositionsTable,
  type SubscriptionVersionRow,
  subscriptionVersionsTable,
} from '../../schemas/tables.js'
import { nsOf } from '../../schemas/time.js'
import type { FeedMessage, FeedRange } from '../sink.js'
import { rowsOfLines } from './batch-line-rows.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { migrate } from './migrate.js'
import { insertsOfBilling, insertsOfPostings } from './records.js'
import { ClickHouseSink } from './sink.js'

let dataDir: string
let server: EmbeddedClickhouse
let config: ClickHouseConfig
let client: ClickHouseClient
let sink: ClickHouseSink
const signal = new AbortController().signal

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-sink-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
  sink = new ClickHouseSink(config)
})

afterAll(async () => {
  await sink.close()
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

beforeEach(async () => {
  await client.command({ query: 'TRUNCATE TABLE event_dispositions' })
})

const counts = { applied: 0, duplicate: 0, conflicting: 0, parked: 0, deadLettered: 0, unmetered: 0 }
const disposition = (received: number, recordedAtMs = 0, ledgerSequence = 1): EventDispositionsRow => ({
  recordedAtMs,
  received,
  rated: received,
  ...counts,
  partition: 3,
  ledgerSequence,
})
const dispositions = (sequence: number, rows: readonly EventDispositionsRow[]): FeedMessage => ({
  sequence,
  natsSubject: 'ledger.3.event_dispositions',
  bytes: encodeRows(eventDispositionsTable, rows),
})
let tokens = 0
function range(messages: readonly FeedMessage[], token = `t${tokens++}`): FeedRange {
  return { stream: 'LEDGER', from: 1, to: 2, token, messages }
}

async function one<T>(query: string): Promise<T | undefined> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  return (await result.json<T>())[0]
}
const received = async () =>
  one<{ n: number; sum: string }>(
    'SELECT toInt32(count()) AS n, sum(received) AS sum FROM event_dispositions',
  )

test('the messages of a range become one insert per table, and the same range again changes nothing', async () => {
  const both = range([dispositions(1, [disposition(5)]), dispositions(2, [disposition(7), disposition(1)])])
  expect(await sink.apply(both, signal)).toEqual({ kind: 'ok', rows: 3 })
  expect((await sink.apply(both, signal)).kind).toBe('ok')
  expect(await received()).toEqual({ n: 3, sum: '13' })
})

test('equal rows under another token are rows of their own', async () => {
  await sink.apply(range([dispositions(1, [disposition(5)])]), signal)
  await sink.apply(range([dispositions(1, [disposition(5)])]), signal)
  expect(await received()).toEqual({ n: 2, sum: '10' })
})

test('ClickHouse drops other rows under a known token in silence, which is why a token names its range', async () => {
  await sink.apply(range([dispositions(1, [disposition(5)])], 'same'), signal)
  expect((await sink.apply(range([dispositions(1, [disposition(6)])], 'same'), signal)).kind).toBe('ok')
  expect(await received()).toEqual({ n: 1, sum: '5' })
})

test('one range may touch more than a hundred months', async () => {
  const rows = Array.from({ length: 120 }, (_, month) => disposition(1, Date.UTC(2000, month, 15)))
  const wide = range([dispositions(1, rows)])
  expect(await sink.apply(wide, signal)).toEqual({ kind: 'ok', rows: 120 })
  await sink.apply(wide, signal)
  expect(await received()).toEqual({ n: 120, sum: '120' })
})

test('every kind of column arrives as it was', async () => {
  const row: SubscriptionVersionRow = {
    subscriptionId: 'sub "1"\n',
    customerId: 'Zoë 🚰',
    sequence: Number.MAX_SAFE_INTEGER,
    revision: 1,
    change: 'amended',
    status: 'active',
    plan: 'pro',
    planVersion: 4_294_967_295,
    effectiveFromNs: nsOf(Date.UTC(2026, 0, 31, 23, 59, 59, 999), 999_999),
    effectiveUntilNs: undefined,
    quantities: new Map([['seats', '5']]),
    mrr: -(10n ** 38n - 1n),
    currency: 'USD',
    entityId: '',
    contractId: '',
    poNumber: '',
    metadata: '',
    notices: new Map(),
    eventSource: '/crm',
    eventId: 'e',
    correlationId: '',
    partition: 1,
    ledgerSequence: 9,
  }
  const bytes = encodeRows(subscriptionVersionsTable, [row])
  const messages = [{ sequence: 1, natsSubject: 'ledger.1.subscription_versions', bytes }]
  expect(await sink.apply(range(messages), signal)).toEqual({ kind: 'ok', rows: 1 })
  expect(
    await one(
      'SELECT subscription_id, customer_id, sequence, effective_from, effective_until, quantities, mrr FROM subscription_versions',
    ),
  ).toEqual({
    subscription_id: 'sub "1"\n',
    customer_id: 'Zoë 🚰',
    sequence: '9007199254740991',
    effective_from: '2026-01-31 23:59:59.999999999',
    effective_until: null,
    quantities: { seats: '5' },
    mrr: '-99999999999999999999999999.999999999999',
  })
})

test('trouble that may pass is retryable, everything else waits for somebody', async () => {
  const message = { sequence: 1, natsSubject: 'ledger.0.event_dispositions', bytes: Buffer.from('not Arrow') }
  expect(await sink.apply(range([message]), signal)).toMatchObject({
    kind: 'rejected',
    code: 'clickhouse_117',
  })
  const unknown = { ...message, natsSubject: 'ledger.0.nothing' }
  expect(await sink.apply(range([unknown]), signal)).toMatchObject({
    kind: 'rejected',
    code: 'unknown_table',
  })
  const locked = new ClickHouseSink({ ...config, password: 'wrong' })
  const good = range([dispositions(1, [disposition(1)])])
  expect(await locked.apply(good, signal)).toMatchObject({ kind: 'rejected', code: 'clickhouse_516' })
  await locked.close()
  const nobody = new ClickHouseSink({ ...config, url: 'http://127.0.0.1:1' })
  expect(await nobody.apply(good, signal)).toMatchObject({ kind: 'retryable', code: 'connection' })
  await nobody.close()
  expect(await sink.apply(good, AbortSignal.abort())).toMatchObject({ kind: 'retryable' })
})

test('billing batches and journal entries become rows; a batch that contradicts itself is set aside alone', async () => {
  const { readFile } = await import('node:fs/promises')
  const golden = async (name: string) =>
    readFile(new URL(`../../schemas/golden/${name}.json`, import.meta.url))
  const [batch, entry] = [await golden('billing-batch'), await golden('journal-entry')]
  const billing = new ClickHouseSink(config, insertsOfBilling)
  const posting = new ClickHouseSink(config, insertsOfPostings)
  const of = (bytes: Uint8Array) =>
    range([{ sequence: 7, natsSubject: 'any', bytes, storedAtMs: 1_700_000_000_000 }])
  const { lines } = JSON.parse(batch.toString()) as {
    readonly lines: readonly { readonly charge_id: string }[]
  }
  expect(await billing.apply(of(batch), signal)).toEqual({ kind: 'ok', rows: 1 + lines.length })
  expect(
    await one(`SELECT toInt32(count()) AS lines, groupArray(l.charge_id) AS charges, sum(l.amount_rounded) = any(b.amount_rounded_total) AS whole
      FROM batch_lines AS l INNER JOIN billing_batches AS b ON b.batch_id = l.batch_id`),
  ).toEqual({
    lines: lines.length,
    charges: expect.arrayContaining(lines.map(line => line.charge_id)),
    whole: 1,
  })
  const whole = batchFromWire(JSON.parse(batch.toString()))
  if (whole.kind === 'rejected') throw new Error(whole.rejection.detail)
  const related = whole.value.lines.map(line => ({
    ...line,
    billToCustomerId: 'payer',
    parentCustomerId: 'group',
  }))
  expect(rowsOfLines({ ...whole.value, lines: related }, 0, 7)[0]).toMatchObject({
    ...{ customerId: related[0]!.customerId, billToCustomerId: 'payer', parentCustomerId: 'group' },
  })
  const text = JSON.parse(batch.toString()) as { control: { line_count: number } }
  text.control.line_count += 1
  expect(await billing.apply(of(Buffer.from(JSON.stringify(text))), signal)).toMatchObject({
    kind: 'ok',
    rows: 0,
    refused: [{ code: 'malformed_billing_batch', sequence: 7 }],
  })
  expect((await posting.apply(of(entry), signal)).kind).toBe('ok')
  expect(
    await one('SELECT toString(stream_sequence) AS at, toString(sealed_at) AS sealed FROM billing_batches'),
  ).toEqual({
    at: '7',
    sealed: '2023-11-14 22:13:20.000',
  })
  expect(
    await one('SELECT sum(debit) = sum(credit) AS balanced, count() > 1 AS lines FROM journal_entries'),
  ).toEqual({
    balanced: 1,
    lines: 1,
  })
  expect(
    await one(`SELECT toString(sum(s.amount)) AS earned, toString(groupArray((s.part, s.month))) AS months,
      any(s.journal_id) = (SELECT any(j.journal_id) FROM journal_entries AS j) AS same FROM revenue_schedule AS s`),
  ).toEqual({ earned: '99', months: "[(1,'2026-01-01'),(2,'2026-02-01')]", same: 1 })
  await client.command({ query: 'TRUNCATE TABLE journal_entries' })
  expect(await posting.isUntouched(signal)).toBe(false)
  await client.command({ query: 'TRUNCATE TABLE revenue_schedule' })
  expect(await posting.isUntouched(signal)).toBe(true)
  await billing.close()
  await posting.close()
})
