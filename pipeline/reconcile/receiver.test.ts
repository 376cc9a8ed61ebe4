// The reconciliation with a receiver on a real broker and a real ClickHouse: records of POSTINGS, their deliveries, and a
// connector that lists what we say.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import type { Connector, ReceiverDocument } from '../../sinks/connector.js'
import { journalRecord } from '../../sinks/testing/journal-record.js'
import { ensureTopology } from '../broker/topology.js'
import { journalOf } from '../connections/records-of-message.js'
import { encodeRecord } from '../deliver/delivery-record.js'
import type { Feed } from '../deliver/feed.js'
import { checkAccepted } from './accepted.js'
import { readBooksDays } from './days.js'
import { readDays } from './days-routes.js'
import { type ReceiverOptions, reconcileReceiver, type WantedDates } from './receiver.js'

let folder: string
let broker: NatsServer
let server: EmbeddedClickhouse
let nc: NatsConnection
let clickhouse: ClickHouseClient
let options: ReceiverOptions
let theirs: ReceiverDocument[] | undefined = []

const connector = (): Connector => ({
  pageSize: 1,
  attemptMs: 1,
  settlesWithinMs: 1,
  check: async () => ({ kind: 'ready' }),
  put: async () => [],
  find: async () => ({ kind: 'absent' }),
  ...(theirs === undefined
    ? {}
    : {
        async *documents() {
          yield* theirs ?? []
        },
      }),
})

const rollout = { mode: 'automatic', allow: { entities: [], customers: [] }, class: 'money' } as const
const feed: Feed = {
  key: 'connection.books',
  stream: 'POSTINGS',
  filterSubjects: ['postings.>'],
  ofRecords: {
    connection: 'books',
    rollout,
    recordsOf: journalOf,
    openConnector: async () => connector(),
  },
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-receiver-'))
  broker = await startNatsServer({ storeDir: join(folder, 'nats') })
  await beginWithSchema(join(folder, 'clickhouse'))
  server = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  nc = await connect({ ...broker.login() })
  const [js, jsm] = [jetstream(nc), await jetstreamManager(nc)]
  await ensureTopology(nc, { partitions: 1 })
  const [sinks, runs] = [await new Kvm(js).open('weir_sinks'), await new Kvm(js).open('weir_runs')]
  const config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  clickhouse = openClickHouse(config)
  const shared = { config: { folder, variable: () => undefined }, customerIds: { of: async () => ({}) } }
  const tokens = await new Kvm(js).open('weir_tokens')
  const taxes = await new Kvm(js).open('weir_taxes')
  const parts = { clickhouse, nc, js, jsm, sinks, runs, taxes, feeds: [feed], waitMs: 0 }
  options = { ...parts, shared: { ...shared, tokens, sinks, jsm } }
  for (const one of [1, 2, 3, 4])
    await js.publish('postings.default', JSON.stringify(journalRecord(one).document))
  const position = 3 // the last one is not taken in yet
  await sinks.put(feed.key, encodeRecord({ position, intent: null, owner: '', streamCreated: 'any' }))
  await clickhouse.insert({
    table: 'deliveries',
    format: 'JSONEachRow',
    values: [
      delivery(1, 'waiting', 1),
      delivery(1, 'posted', 2),
      delivery(2, 'posted', 3),
      delivery(3, 'refused', 4, 'period_closed'),
      delivery(9, 'posted', 5),
    ],
  })
})

afterAll(async () => {
  await clickhouse?.close()
  await nc?.close()
  await server?.stop()
  await broker?.stop()
  await rm(folder, { recursive: true, force: true })
})

function delivery(n: number, state: string, sequence: number, code = '') {
  const record = journalRecord(n)
  return {
    delivery_id: deliveryIdOf('books', record),
    connection: 'books',
    record_kind: record.kind,
    record_id: record.id,
    key: record.key,
    state,
    code,
    external_id: state === 'posted' ? `x-${n}` : '',
    changed_at: '2026-11-01 00:00:00.000',
    stream_sequence: sequence,
  }
}

function document(n: number, change: Partial<ReceiverDocument> = {}): ReceiverDocument {
  const { key, document } = journalRecord(n)
  const [line] = document['lines'] as { debit: string }[]
  return {
    key,
    externalId: `x-${n}`,
    state: 'posted',
    date: '2026-10-31',
    currency: 'USD',
    debit: line?.debit ?? '',
    ...change,
  }
}

async function ask(listed: ReceiverDocument[] | undefined, dates: WantedDates = {}) {
  theirs = listed
  const progress = { records: 0, documents: 0 }
  return reconcileReceiver(options, 'books', dates, progress, new AbortController().signal)
}

test('records, their last states and their documents are held against each other, over the dates of the records', async () => {
  expect(await ask([document(1), document(2, { debit: '3.26' })])).toMatchObject({
    ok: false,
    from: '2026-10-31',
    until: '2026-10-31',
    records: 4,
    documents: 2,
    agreeing: 1,
    unsettled: [
      { state: 'refused', code: 'period_closed', records: 1, ids: ['journal je_0003'] },
      { state: 'not_taken_in', records: 1, ids: ['journal je_0004'] },
    ],
    faults: [{ fault: 'different', field: 'amount', ours: '3.25', theirs: '3.26', delivered_as: 'x-2' }],
    fault_count: 1,
  })
})

test('a document whose record the stream does not hold is known by its delivery; a strange key is extra', async () => {
  const strange = document(1, { key: "it's", externalId: 'x-7' })
  expect(await ask([document(1), document(2), document(9), strange])).toMatchObject({
    records: 4,
    by_delivery_alone: 1,
    faults: [{ fault: 'extra', key: "it's", external_ids: ['x-7'] }],
  })
})

test('in other dates there are no records, and what is dated there is different', async () => {
  const moved = document(1, { date: '2026-12-01' })
  await clickhouse.insert({
    table: 'journal_entries',
    format: 'JSONEachRow',
    values: [{ journal_id: 'je_0001', accounting_date: '2026-10-31' }],
  })
  const report = await ask([moved], { from: '2026-12-01', until: '2026-12-31' })
  expect(report).toMatchObject({ faults: [{ fault: 'different', field: 'date', ours: '2026-10-31' }] })
})

test('a receiver that lists nothing was not compared, an unknown connection is none, half a list is an error', async () => {
  expect(await ask(undefined)).toMatchObject({ ok: false, compared: false, fault_count: 0 })
  const progress = { records: 0, documents: 0 }
  const { signal } = new AbortController()
  expect(await reconcileReceiver(options, 'nowhere', {}, progress, signal)).toBeUndefined()
  const broken = {
    ...document(1),
    get key(): string {
      throw new Error('HTTP 500')
    },
  }
  await expect(ask([broken])).rejects.toThrow('HTTP 500')
})

/** What each record is in ClickHouse: the lines of an entry, or a line of a batch. */
async function insertRows(table: string, values: readonly object[]): Promise<void> {
  const clickhouse_settings = { input_format_skip_unknown_fields: 1 } as const
  await clickhouse.insert({ table, format: 'JSONEachRow', values, clickhouse_settings })
}

test('journals are what the connection has of them, by account; an entry without a delivery is named by its id and day', async () => {
  await clickhouse.command({ query: 'TRUNCATE TABLE journal_entries' })
  const entry = (n: number) =>
    (journalRecord(n).document['lines'] as object[]).map((line, index) => ({
      ...line,
      segments: {},
      line: index,
      journal_id: journalRecord(n).id,
      currency: 'USD',
      accounting_date: '2026-10-31',
      stream_sequence: n,
    }))
  await insertRows('journal_entries', [1, 2, 3, 4].flatMap(entry))
  const taken = [{ feed, ofRecords: feed.ofRecords!, until: 3 }]
  const { checks, totals } = await checkAccepted(options, taken)
  const [delivered, posted, known] = checks
  expect(delivered).toMatchObject({ check: 'records_delivered', ok: true, compared: 3 })
  expect(posted).toMatchObject({ check: 'posted_accepted', ok: true, compared: 2 })
  expect(known?.differences).toEqual([{ id: 'books: journal je_0009', expected: 'a record', found: 'none' }])
  const [revenue] = totals.filter(one => one.account === '4000')
  expect(revenue).toMatchObject({
    ...{ credit: '15', accepted_credit: '5.5', debit: '0', day: '' },
    outcomes: [
      { outcome: 'not_taken_in', records: 1, credit: '5.25' },
      { outcome: 'posted', records: 2, credit: '5.5' },
      { outcome: 'refused', records: 1, credit: '4.25' },
    ].map(one => ({ ...one, debit: '0' })),
  })
  const later = await checkAccepted(options, [{ ...taken[0]!, until: 4 }])
  expect(later.checks.map(one => one.differences[0])).toMatchObject([
    { id: 'books: journal je_0004', found: 'none' },
    {
      id: 'books USD 1200 2026-10-31',
      expected: '15 debit, 0 credit',
      found: '9.75 debit, 0 credit',
      detail: '1 without a delivery: je_0004',
    },
    { id: 'books: journal je_0009' },
  ])
})

test('lines of batches are what the billing connection of their entity has of them, by customer and day', async () => {
  const line = (n: number, entity: string, amount: string) => ({
    ...{ line_id: `bl_${n}`, entity_id: entity, currency: 'EUR', customer_id: `c${n % 2}` },
    ...{ billing_date: '2026-10-31', amount_rounded: amount, stream_sequence: 5 },
  })
  const lines = [line(1, 'eu', '10'), line(2, 'eu', '2.5'), line(3, 'eu', '-4'), line(4, 'us', '7')]
  await insertRows('batch_lines', lines)
  const ofLine = (n: number, state: string) => ({
    ...delivery(n, state, 10 + n),
    ...{ connection: 'invoices', record_kind: 'batch_line', record_id: `bl_${n}`, entity_id: 'eu' },
  })
  await insertRows('deliveries', [ofLine(1, 'posted'), ofLine(3, 'held')])
  const ofRecords = { ...feed.ofRecords!, connection: 'invoices' }
  const billing: Feed = {
    key: 'connection.invoices',
    stream: 'BILLING',
    filterSubjects: ['billing.eu.>'],
    ofRecords,
  }
  const { checks, totals } = await checkAccepted(options, [{ feed: billing, ofRecords, until: 5 }])
  expect(checks[0]?.differences).toMatchObject([{ id: 'invoices: batch_line bl_2' }])
  expect(checks[1]?.differences).toMatchObject([
    { id: 'invoices eu EUR c0 2026-10-31', found: '0 debit, 0 credit' },
  ])
  expect(totals).toMatchObject([
    {
      entity_id: 'eu',
      currency: 'EUR',
      debit: '12.5',
      credit: '4',
      accepted_debit: '10',
      accepted_credit: '0',
    },
  ])
  const parts = { ...options, feeds: [...options.feeds, billing] }
  const erp: Feed = { key: 'erp', stream: 'BILLING', filterSubjects: ['billing.>'] }
  const dates = { from: '2026-10-01', until: '2026-10-31', limit: 1 }
  const first = await readDays(
    { ...parts, feeds: [...parts.feeds, erp] },
    { ...dates, connection: 'invoices', after: '0' },
  )
  expect(first).toMatchObject({
    next_after: '1',
    accepted: [{ customer_id: 'c0', day: '2026-10-31', debit: '2.5' }],
  })
  const next = await readDays(parts, { ...dates, connection: 'invoices', after: '1' })
  expect(next.accepted).toMatchObject([
    {
      ...{ customer_id: 'c1', debit: '10', credit: '4' },
      outcomes: [
        { outcome: 'held', records: 1, credit: '4' },
        { outcome: 'posted', records: 1, debit: '10' },
      ],
    },
  ])
  const earlier = { ...dates, until: '2026-10-30', connection: 'invoices', after: '0' }
  expect((await readDays(parts, earlier)).accepted).toEqual([])
})

test('day by day, a charge that is billed or posted otherwise is named', async () => {
  const charge = (id: string, amount: string) => ({
    ...{ charge_id: id, entity_id: 'eu', currency: 'EUR', billing_run_id: 'run1', amount_rounded: amount },
  })
  const day = { accounting_date: '2026-11-30', billing_date: '2026-10-31' }
  await insertRows('charges', [
    charge('same', '5'),
    charge('back', '-2'),
    charge('other', '3'),
    charge('gone', '1'),
  ])
  const batched = ['same', 'back', 'other'].map((id, n) => ({ ...charge(id, ['5', '-2', '3'][n]!), ...day }))
  await insertRows('batch_lines', batched)
  const posted = ['same', 'back', 'other'].map((id, n) => ({
    ...charge(id, ''),
    ...day,
    debit: ['5', '2', '4'][n],
  }))
  await insertRows(
    'journal_entries',
    posted.map(({ amount_rounded: _, ...one }) => one),
  )
  const ask = { from: '2026-11-01', until: '2026-11-30', limit: 10, offset: 0 }
  expect(await readBooksDays(clickhouse, ask, { openRuns: [], hasErp: true })).toEqual([
    {
      ...{ entity_id: 'eu', currency: 'EUR', day: '2026-11-30', charges: 3 },
      ...{ charged: '6', batched: '6', posted: '7', different: 1, different_charges: ['other'] },
    },
  ])
  // An ERP sink that runs and has posted nothing yet owes entries as well as one that has.
  const erp: Feed = { key: 'erp', stream: 'BILLING', filterSubjects: ['billing.>'] }
  const differing = async () => {
    const found = await readDays({ ...options, feeds: [erp] }, { ...ask, after: '0' })
    return found.days.flatMap(one => one.different_charges)
  }
  expect(await differing()).toEqual([])
  const record = { position: 0, intent: null, owner: '', streamCreated: 'any' }
  await options.sinks.put(erp.key, encodeRecord(record))
  expect(await differing()).toEqual(['other'])
  const all = await readBooksDays(clickhouse, { ...ask, from: '1970-01-01' }, { openRuns: [], hasErp: false })
  expect(all.find(({ day }) => day === '1970-01-01')).toMatchObject({ different_charges: ['gone'] })
})
