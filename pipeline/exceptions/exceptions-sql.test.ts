// The list of exceptions on the real engine, with rows put in.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { parseFilter } from './exception-filter.js'
import type { ExceptionSources } from './exceptions-sql.js'
import { openByOwner } from './gauges.js'
import { shippedOwners } from './owner-rules.js'
import { cursorOf, type Exception, parseCursor, positionOf, readAll, readPage } from './read-exceptions.js'
import type { SetAsideRow } from './set-aside-rows.js'

let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

const refused: SetAsideRow = {
  feed: 'clickhouse',
  name: "1-5:charges it's",
  code: 'TOO_LARGE',
  detail: 'it is "too large"',
  refused_at: '2026-03-01T00:00:00.000Z',
  sequence: 5,
  record_kind: 'charges',
  customer_id: 'c9',
  amount: null,
  currency: '',
  is_delivery: false,
  content: '{}',
}
const ofDelivery: SetAsideRow = {
  ...refused,
  feed: 'connection.erp',
  name: 'dl_1',
  amount: '12.5',
  currency: 'EUR',
  is_delivery: true,
}
const sources: ExceptionSources = {
  setAside: [refused, ofDelivery],
  owners: shippedOwners,
  meters: {
    ofField: [{ type: 'llm', pointer: '/data/tokens', meter: 'tokens_in' }],
    ofType: [{ type: 'call', meter: 'calls' }],
  },
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-exceptions-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
  await insert('dead_letters', [
    letter('a', { ledger_sequence: 1, recorded_at: '2026-01-01T00:00:00Z' }),
    letter('b', { ledger_sequence: 2, recorded_at: '2026-01-02T00:00:00Z', pointer: '' }),
    letter('freed', { ledger_sequence: 3, recorded_at: '2026-01-03T00:00:00Z' }),
    letter('freed', { ledger_sequence: 9, recorded_at: '2026-01-04T00:00:00Z', event_count: -1 }),
    letter('', { event_source: '', code: 'malformed_json', ledger_sequence: 4, payload: '{x', pointer: '' }),
    letter('', { event_source: '', code: 'malformed_json', ledger_sequence: 4, payload: '{y', pointer: '' }),
    letter('w', { code: 'no_subscription', event_type: 'call', pointer: '', ledger_sequence: 6 }),
  ])
  await insert('event_outcomes', [
    outcome('parked 1', { code: 'awaiting_subscription' }),
    outcome('parked 2', { code: 'awaiting_subscription' }),
    outcome('parked 2', { code: 'awaiting_subscription', event_count: -1, ledger_sequence: 8 }),
    outcome('held', { code: 'awaiting_history' }),
    outcome('no meter', { disposition: 'unmetered', event_type: 'lmm', code: '' }),
    outcome('twice', { disposition: 'duplicate' }),
  ])
  await insert('deliveries', [
    delivery('dl_1', 'sending', 1),
    delivery('dl_1', 'refused', 2),
    delivery('dl_2', 'refused', 3),
    delivery('dl_2', 'posted', 4),
  ])
})

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

function letter(id: string, other: object): object {
  return {
    event_source: 's',
    event_id: id,
    event_type: 'llm',
    code: 'invalid_value',
    detail: 'is not a number (/data/tokens)',
    pointer: '/data/tokens',
    customer_id: 'c1',
    event_time: '2025-12-31T23:59:59.123456789Z',
    recorded_at: '2026-01-05T00:00:00Z',
    payload: '{"id":1}',
    event_count: 1,
    partition: 1,
    ...other,
  }
}

function outcome(id: string, other: object): object {
  return {
    event_source: 's',
    event_id: id,
    event_type: 'llm',
    customer_id: 'c2',
    event_time: '2026-01-01T00:00:00Z',
    recorded_at: '2026-01-07T00:00:00Z',
    disposition: 'parked',
    event_count: 1,
    input_stream: 'METERING',
    input_sequence: 12,
    ledger_sequence: 7,
    ...other,
  }
}

function delivery(id: string, state: string, sequence: number): object {
  return {
    delivery_id: id,
    connection: 'erp',
    record_kind: 'journal',
    record_id: 'j1',
    state,
    changed_at: '2026-02-01T00:00:00Z',
    code: 'account_missing',
    stream_sequence: sequence,
  }
}

async function insert(table: string, values: readonly object[]): Promise<void> {
  const settings = { date_time_input_format: 'best_effort' } as const
  await client.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
}

async function found(wire: object, limit = 100): Promise<readonly Exception[]> {
  const parsed = parseFilter(wire)
  if (parsed.kind !== 'ok') throw new Error(JSON.stringify(parsed.errors))
  const pages: Exception[] = []
  for await (const page of readAll(client, sources, { filter: parsed.filter, limit, withPayload: true }))
    pages.push(...page)
  return pages
}

const namesOf = (exceptions: readonly Exception[]): string[] =>
  exceptions.map(one => one.eventId || one.recordId || (one.payload ?? '')).toSorted()

test('dead letters less what was taken back, refused deliveries and refused records are one list', async () => {
  const open = await found({})
  expect(namesOf(open)).toEqual(["1-5:charges it's", 'a', 'b', 'j1', 'no meter', 'parked 1', 'w', '{x', '{y'])
  expect(open.map(({ kind, owner, meter }) => [kind, owner, meter]).toSorted()).toEqual([
    ['dead_letter', 'integration', ''],
    ['dead_letter', 'integration', ''],
    ['dead_letter', 'integration', ''],
    ['dead_letter', 'integration', 'tokens_in'],
    ['dead_letter', 'revops', 'calls'],
    ['parked', 'revops', ''],
    ['refused_delivery', 'finance', ''],
    ['refused_record', 'integration', ''],
    ['unmetered', 'revops', ''],
  ])
  expect(new Set(open.map(one => one.exceptionId)).size).toBe(open.length)
  const [delivered] = open.filter(one => one.kind === 'refused_delivery')
  expect([delivered?.amount, delivered?.currency, delivered?.receiver]).toEqual(['12.5', 'EUR', 'erp'])
  expect(open.find(one => one.eventId === 'a')?.eventTimeNs).toBe(1767225599123456789n)
  expect(namesOf(await found({ state: 'freed' }))).toEqual(['freed', 'j1', 'parked 2'])
})

test('the metrics count the same list by owner, with the age of the oldest', async () => {
  const open = await found({})
  const samples = await openByOwner(client, sources)
  for (const owner of new Set(open.map(one => one.owner))) {
    const own = open.filter(one => one.owner === owner)
    const of = (metric: string) =>
      samples.find(one => one.metric === metric && one.labels['owner'] === owner)!.value
    expect(of('weir_exceptions_open')).toBe(own.length)
    const ageSeconds = (Date.now() - Math.min(...own.map(one => one.firstAtMs))) / 1_000
    expect(Math.abs(of('weir_exception_oldest_seconds') - ageSeconds)).toBeLessThan(60)
  }
})

test('each key of a filter narrows the list', async () => {
  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{ code: 'no_subscription' }, ['w']],
    [{ kind: ['refused_record', 'refused_delivery'] }, ["1-5:charges it's", 'j1']],
    [{ type: 'call' }, ['w']],
    [{ kind: 'unmetered', type: 'lmm' }, ['no meter']],
    [{ meter: 'tokens_in' }, ['a']],
    [{ field: '/data/tokens', customer: ['c1', 'c2'] }, ['a']],
    [{ receiver: 'clickhouse' }, ["1-5:charges it's"]],
    [{ source: 's', owner: 'integration' }, ['a', 'b']],
    [{ from: '2026-01-02T00:00:00Z', until: '2026-01-05T00:00:00Z' }, ['b']],
    [{ event_until: '2025-12-31T23:59:59.123456789Z' }, []],
    [{ group: 'cause@1/dead_letter/invalid_value/llm/%2Fdata%2Ftokens/' }, ['a']],
    [{ source: `s' OR '1'='1` }, []],
  ]
  for (const [filter, names] of cases)
    expect(namesOf(await found(filter)), JSON.stringify(filter)).toEqual(names)
})

test('pages of any size give each exception once, in the order of the first failure', async () => {
  const whole = await found({ state: ['open', 'freed'] })
  expect(await found({ state: ['open', 'freed'] }, 2)).toEqual(whole)
  expect(whole.map(one => one.firstAtMs)).toEqual(whole.map(one => one.firstAtMs).toSorted((a, b) => a - b))
  const [first] = whole
  expect(parseCursor(cursorOf(positionOf(first!)))).toEqual(positionOf(first!))
})

test('an answer closes an exception until it fails again, and undoing it opens it', async () => {
  const [b] = await found({
    kind: 'dead_letter',
    code: 'invalid_value',
    until: '2026-01-02T12:00:00Z',
    from: '2026-01-02T00:00:00Z',
  })
  const answer = (resolution: string, sequence: number) =>
    insert('exception_resolutions', [
      {
        exception_id: b?.exceptionId,
        resolution,
        revision: b?.revision,
        reason: 'a test',
        stream_sequence: sequence,
        resolved_at: '2026-01-06T00:00:00Z',
      },
    ])
  const states = async () => (await found({ id: b?.exceptionId })).map(one => one.state)
  await answer('discarded', 1)
  expect(await states()).toEqual(['discarded'])
  expect(namesOf(await found({ code: 'invalid_value' }))).toEqual(['a'])
  expect((await found({ state: 'discarded' }))[0]?.answer?.reason).toBe('a test')
  await answer('undone', 2)
  expect(await states()).toEqual(['open'])
  await answer('redriven', 3)
  expect(await states()).toEqual(['redriven'])
  await insert('dead_letters', [letter('b', { ledger_sequence: 20, pointer: '' })])
  expect(await states()).toEqual(['open'])
  const page = await readPage(client, sources, { filter: { id: [b?.exceptionId ?? ''] }, limit: 1 })
  expect([page[0]?.occurrences, page[0]?.payload]).toEqual([2, undefined])
})

const payment = (id: string, status: string, at: string, more: object = {}) => ({
  ...{ payment_id: id, customer_id: 'c1', currency: 'EUR', status, amount: '10.5' },
  ...{ event_time: at, event_source: 'pay', event_id: `${id} ${status}`, ledger_sequence: 30, ...more },
})
const invoice = (status: string, at: string) => ({
  ...{ invoice_id: 'i1', customer_id: 'c1', currency: 'EUR', status, total: '10.5' },
  ...{ event_time: at, event_source: 'pay', event_id: `i1 ${status}`, ledger_sequence: 31 },
})

test('a payment that finally failed and money applied to nothing are exceptions with an owner, until they are settled, in any order of arrival', async () => {
  const open = async () =>
    (await found({ kind: 'payment' }))
      .map(one => [one.code, one.recordId, one.owner, one.amount, one.currency].join(' '))
      .toSorted()
  await insert('payments', [
    payment('cash', 'succeeded', '2026-02-01T00:00:00Z'),
    payment('named', 'succeeded', '2026-02-02T00:00:00Z', { invoice_id: 'i1' }),
    payment('fails', 'failed', '2026-02-03T00:00:00Z'),
    payment('voided', 'failed', '2026-02-03T00:00:00Z', { invoice_id: 'i2' }),
  ])
  expect(await open()).toEqual([
    'payment_exhausted fails billing 10.5 EUR',
    'payment_exhausted voided billing 10.5 EUR',
    'unapplied_cash cash finance 10.5 EUR',
    'unapplied_cash named finance 10.5 EUR',
  ])
  const [cash] = await found({ kind: 'payment', code: 'unapplied_cash' })
  expect(cash?.firstAtMs).toBe(Date.parse('2026-02-01T00:00:00Z'))
  await insert('invoices', [
    invoice('finalized', '2026-01-01T00:00:00Z'),
    { ...invoice('voided', '2026-02-04T00:00:00Z'), invoice_id: 'i2' },
  ])
  await insert('payments', [payment('fails', 'succeeded', '2026-02-05T00:00:00Z', { invoice_id: 'i1' })])
  expect(await open()).toEqual(['unapplied_cash cash finance 10.5 EUR', 'unapplied_cash i1 finance 10.5 EUR'])
  await insert('payments', [
    payment('cash', 'refunded', '2026-02-06T00:00:00Z'),
    payment('fails', 'refunded', '2026-02-06T00:00:00Z'),
  ])
  expect(await open()).toEqual([])
})

test('a tax that failed, waits too long or cannot be posted is an exception of finance, until a later state of it, in any order', async () => {
  const tax = (id: string, status: string, sequence: number, more: object = {}) => ({
    ...{
      tax_id: id,
      customer_id: 'c1',
      sequence,
      status,
      document: id,
      document_status: 'Saved',
      lines: '[]',
    },
    ...{
      event_time: '2026-02-01T00:00:00Z',
      event_source: 'ava',
      event_id: `${id} ${sequence}`,
      ledger_sequence: 40,
      ...more,
    },
  })
  const open = async () =>
    (await found({ kind: 'tax' }))
      .map(one => [one.code, one.recordId, one.owner, one.detail].join(' '))
      .toSorted()
  await insert('tax_transactions', [
    tax('t1', 'failed', 1, { code: 'InvalidAddress', reason: '309 no such street' }),
    tax('t2', 'pending', 1),
    tax('t3', 'pending', 1, { event_time: new Date().toISOString() }),
    tax('t4', 'committed', 2),
    tax('t4', 'failed', 1),
  ])
  expect(await open()).toEqual([
    'tax_failed t1 finance Tax of t1 failed: InvalidAddress: 309 no such street',
    'tax_pending t2 finance Tax of t2 has been Saved for more than a day.',
  ])
  await insert('tax_transactions', [
    tax('t1', 'committed', 5),
    tax('t1', 'failed', 4),
    tax('t2', 'voided', 2),
  ])
  expect(await open()).toEqual([])
  const trouble = {
    ...{
      tax_id: 't4',
      customer_id: 'c1',
      code: 'tax_amount_differs',
      detail: 'it taxes 30',
      since: '2026-02-01T00:00:00.000Z',
    },
    ...{ sequence: 2, amount: '1.86', currency: 'USD' },
  }
  const [told] = await readPage(
    client,
    { ...sources, taxTroubles: [trouble] },
    { filter: { kind: ['tax'] }, limit: 9 },
  )
  expect(told).toMatchObject({
    code: 'tax_amount_differs',
    owner: 'finance',
    amount: '1.86',
    currency: 'USD',
    recordId: 't4',
  })
})
