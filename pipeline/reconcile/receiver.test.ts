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
  const parts = { clickhouse, nc, js, jsm, sinks, runs, feeds: [feed], waitMs: 0 }
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

test('journals are what the connection has of them, by account; an entry without a delivery is named by its day', async () => {
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
  const insert = (n: number) =>
    clickhouse.insert({
      table: 'journal_entries',
      format: 'JSONEachRow',
      values: entry(n),
      clickhouse_settings: { input_format_skip_unknown_fields: 1 },
    })
  for (const n of [1, 2, 3, 4]) await insert(n)
  const taken = [{ feed, ofRecords: feed.ofRecords!, until: 3 }]
  const { check, totals } = await checkAccepted(clickhouse, taken)
  expect(check).toMatchObject({ ok: true, compared: 2 })
  const [revenue] = totals.filter(one => one.account === '4000')
  expect(revenue).toMatchObject({ credit: '9.75', accepted_credit: '5.5', debit: '0' }) // the third is refused
  const later = await checkAccepted(clickhouse, [{ ...taken[0]!, until: 4 }])
  expect(later.check.differences[0]).toEqual({
    id: 'books USD 1200 2026-10-31',
    expected: '15 debit, 0 credit',
    found: '9.75 debit, 0 credit',
    detail: '1 entries without a delivery',
  })
})
