// Each thing that keeps a period open does so, in its own period and entity alone, is named with what to do, and goes when it
// is settled. On a real broker and ClickHouse; what is due is told by a whole Weir in close.test.ts.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { type JetStreamClient, jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { recognise } from '../../rating/recognition/recognise.js'
import { defaultCalendars, periodNamed } from '../../schemas/accounting-calendar/accounting-calendar.js'
import { batchToWire, sealBatch } from '../../schemas/billing/billing-batch.js'
import { type BillingRunRecord, type PublishedBatch, runKeys } from '../../schemas/billing/billing-run.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { HeldBack } from '../../schemas/billing/held-back.js'
import { stableId } from '../../schemas/identifiers.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import type { FeedRange } from '../../sinks/sink.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import { markDiscarded, setAside, takeBack } from '../deliver/refused-records.js'
import type { OpenBilling } from '../feature/open-billing.js'
import { anybodyAllowed } from '../gateway/scopes.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'
import { type BookParts, readBook } from './book.js'
import { closeBlockers } from './close-blockers.js'
import type { Blocker } from './periods.js'
import { createErpSink } from './postings-sink.js'
import { createReleaseSink } from './release-sink.js'
import { charge, cutoffs } from './testing/random-months.js'

const never = new AbortController().signal
const at = (iso: string) => nsOf(Date.parse(iso))

let folder: string
let broker: Broker
let server: EmbeddedClickhouse
let clickhouse: ClickHouseClient
let js: JetStreamClient
let buckets: { sinks: KV; runs: KV }
let parts: BookParts

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-blockers-'))
  await beginWithSchema(join(folder, 'clickhouse'))
  ;[broker, server] = await Promise.all([
    startBroker(1),
    startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') }),
  ])
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  clickhouse = openClickHouse(config)
  js = jetstream(broker.nc)
  const kvm = new Kvm(js)
  buckets = { sinks: await kvm.open('weir_sinks'), runs: await kvm.open('weir_runs') }
  parts = { bulk: broker.bulk, js, jsm: broker.jsm, timeoutMs: 5_000 }
  await writeFile(
    join(folder, 'accounts.yaml'),
    `rules:
  - match: { plan: p }
    accounts: { receivable: "1200", revenue: "4000", deferred_revenue: "2400" }
    performance_obligation: subscription
`,
  )
}, 60_000)

afterAll(async () => {
  await clickhouse?.close()
  await server?.stop()
  await broker?.close()
  await rm(folder, { recursive: true, force: true })
})

interface Asked {
  readonly due?: readonly Charge[]
  readonly heldBack?: readonly HeldBack[]
  readonly unacknowledged?: readonly string[]
  readonly feeds?: readonly Feed[]
  readonly now?: string
}

/** What keeps a month of an entity open. */
async function blockers(entityId: string, month: string, asked: Asked = {}): Promise<readonly Blocker[]> {
  const { due = [], heldBack = [], feeds = [], now = '2027-06-01T00:00:00Z' } = asked
  const openBilling: OpenBilling = {
    due: async () => ({ kind: 'known', lines: listed(due), heldBack }),
    unacknowledged: async batches => batches.filter(one => asked.unacknowledged?.includes(one.batchId)),
  }
  const { jsm } = broker
  const isApplied = async (key: string, sequence: number) => {
    const feed = feeds.find(one => one.key === key)!
    return isCovered({ jsm, ...feed }, await recordedPosition(buckets.sinks, key), sequence)
  }
  const nowMs = () => Date.parse(now)
  const find = closeBlockers({ js, jsm, buckets, clickhouse, feeds, isApplied, openBilling, nowMs })
  const period = { ...periodNamed(defaultCalendars.others, month)!, entityId }
  const book = await readBook(parts, entityId)
  return find({ period, book, calendars: defaultCalendars, caller: anybodyAllowed })
}

async function* listed(charges: readonly Charge[]): AsyncGenerator<Charge> {
  yield* charges
}

const kindsOf = (found: readonly Blocker[]) => found.map(({ kind, id }) => `${kind} ${id}`)

async function post(entityId: string, line: Charge) {
  const batch = sealBatch({ billingRunId: 'r', entityId, currency: 'USD', number: 1, of: 1, lines: [line] })
  const bytes = new TextEncoder().encode(JSON.stringify(batchToWire(batch)))
  const natsSubject = `billing.${entityId}.r`
  const { seq } = await js.publish(natsSubject, bytes)
  const erp = createErpSink({
    ...parts,
    accountsFile: join(folder, 'accounts.yaml'),
    recognise,
    cutoffNsOf: async () => cutoffs[0],
  })
  const messages = [{ sequence: seq, natsSubject, bytes }]
  return erp.apply({ stream: 'BILLING', from: seq, to: seq, token: `t${seq}`, messages }, never)
}

/** A line of journal_entries and its deliveries, as the feeds of POSTINGS and DELIVERIES write them. */
async function insert(table: string, values: readonly object[]): Promise<void> {
  await clickhouse.insert({ table, values, format: 'JSONEachRow' })
}

const entry = (entityId: string, id: string, more: object = {}) => ({
  ...{ journal_id: id, line: 1, entity_id: entityId, currency: 'USD', accounting_date: '2026-10-31' },
  ...{ accounting_period: '2026-10', entry_kind: 'journal', batch_id: `batch_${id}`, charge_id: `ch_${id}` },
  billing_run_id: 'br_1',
  ...more,
})
const erp: Feed = {
  key: 'connection.erp',
  stream: 'LEDGER',
  filterSubjects: [],
  ofRecords: { connection: 'erp' } as NonNullable<Feed['ofRecords']>,
}
const delivery = (id: string, state: string, sequence: number, more: object = {}) => ({
  ...{ delivery_id: `d_${id}`, connection: 'erp', record_kind: 'journal', record_id: id, state },
  stream_sequence: sequence,
  ...more,
})

test('a charge that is due and not billed keeps the period of its accounting date open, with the run that bills it', async () => {
  const october = { fromNs: at('2026-10-01T00:00:00Z'), untilNs: at('2026-11-01T00:00:00Z') }
  const arrears = { ...october, entityId: 'unbilled', timing: 'in_arrears' } as const
  const due = [
    charge('a', arrears),
    charge('b', { ...arrears, subscriptionId: 's2' }),
    charge('other', { ...arrears, entityId: 'elsewhere' }),
    charge('nothing', { ...arrears, amountRounded: 0n }),
    // In advance, for November: due at the same instant, and booked in November.
    charge('next', { entityId: 'unbilled', fromNs: october.untilNs, untilNs: at('2026-12-01T00:00:00Z') }),
  ]
  const found = await blockers('unbilled', '2026-10', { due })
  expect(found).toEqual([
    {
      kind: 'unbilled',
      id: 'a',
      detail:
        '2 charges, 62 USD, the first base of s, 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z: ' +
        'weir billing-run create --cutoff 2026-11-01T00:00:00Z --entity unbilled',
    },
  ])
  expect(kindsOf(await blockers('unbilled', '2026-11', { due }))).toEqual(['unbilled next'])
  expect(await blockers('unbilled', '2026-09', { due })).toEqual([])
})

test('a day that ends later than that of the entity, and an adjustment, are each told with the run that books them in the period', async () => {
  const pacific = { fromNs: at('2026-10-01T07:00:00Z'), untilNs: at('2026-11-01T07:00:00Z') }
  const west: Partial<Charge> = {
    ...pacific,
    timezone: 'America/Los_Angeles',
    entityId: 'late',
    timing: 'in_arrears',
  }
  const adjustment = {
    entityId: 'late',
    kind: 'adjustment',
    corrects: 'x',
    amountRounded: -scaledOne,
  } as const
  const due = [charge('west', west), charge('credit', adjustment)]
  const found = await blockers('late', '2026-10', { due })
  expect(found.map(({ id, detail }) => [id, detail.split('--cutoff ')[1]])).toEqual([
    ['west', '2026-11-01T07:00:00Z --entity late'],
    ['credit', '2026-11-01T00:00:00Z --entity late'],
  ])
})

test('partitions that have not told what is due keep the period open', async () => {
  const { jsm } = broker
  const openBilling: OpenBilling = {
    due: async () => ({ kind: 'unknown', id: 'br_9', detail: 'not known yet' }),
    unacknowledged: async () => [],
  }
  const sources = { js, jsm, buckets, clickhouse, feeds: [], isApplied: async () => true, openBilling }
  const period = { ...periodNamed(defaultCalendars.others, '2026-10')!, entityId: 'unknown' }
  const book = await readBook(parts, 'unknown')
  const request = { period, book, calendars: defaultCalendars, caller: anybodyAllowed }
  const found = await closeBlockers({ ...sources, nowMs: Date.now })(request)
  expect(kindsOf(found)).toEqual(['behind br_9'])
})

test('what people hold back of billing runs keeps the periods of its dates open, with the command that releases it', async () => {
  const one = { customer_id: 'acme', subscription_id: null, entity_id: 'held', currency: 'EUR' }
  const dates = { first_date: '2026-10-31', last_date: '2026-11-01' }
  const heldBack = [{ ...one, line_count: 2, amount_rounded: '33.46', ...dates }]
  const detail = '2 charges, 33.46 EUR, held back of billing runs: weir billing release acme'
  for (const month of ['2026-10', '2026-11'])
    expect(await blockers('held', month, { heldBack })).toEqual([{ kind: 'held_back', id: 'acme', detail }])
  expect(await blockers('held', '2026-09', { heldBack })).toEqual([])
  expect(await blockers('held', '2026-12', { heldBack })).toEqual([])
  expect(await blockers('beside', '2026-10', { heldBack })).toEqual([])
})

test('a release that is due keeps its month open until it is posted', async () => {
  expect(await post('released', charge('ch', { entityId: 'released' }))).toMatchObject({
    kind: 'ok',
    rows: 1,
  })
  const found = await blockers('released', '2026-09')
  expect(found).toMatchObject([
    { kind: 'release', detail: expect.stringContaining('weir releases create --until 2026-09-30') },
  ])
  expect(await blockers('released', '2026-10')).toHaveLength(2)
  expect(await blockers('released', '2026-08')).toEqual([])
  const releases = createReleaseSink({ ...parts, isPosted: async () => true })
  const wire = {
    release_id: 'ro',
    until: '2026-09-30',
    cutoff: '2026-10-01T00:00:00Z',
    entity_id: 'released',
  }
  const bytes = Buffer.from(JSON.stringify({ ...wire, billing_run_id: null, after_billing: 0 }))
  const messages = [{ sequence: 1, natsSubject: 'control.release', bytes }]
  const range: FeedRange = { stream: 'CONTROL', from: 1, to: 1, token: 'ro', messages }
  expect(await releases.apply(range, never)).toMatchObject({ kind: 'ok', rows: 1 })
  expect(await blockers('released', '2026-09')).toEqual([])
  expect(await blockers('released', '2026-10')).toHaveLength(1)
})

test('a line that no rule maps keeps its period open until it is taken back', async () => {
  const line = charge('ch_q', { entityId: 'aside', plan: 'q' })
  const outcome = await post('aside', line)
  const refused = outcome.kind === 'ok' ? (outcome.refused ?? []) : []
  expect(refused).toHaveLength(1)
  await setAside(buckets.sinks, 'erp', 'BILLING', refused)
  const [name] = refused.map(one => one.name)
  const found = await blockers('aside', '2026-09')
  expect(found).toMatchObject([
    { kind: 'set_aside', id: name, detail: expect.stringContaining('no_account_mapping') },
  ])
  expect(await blockers('aside', '2026-12')).toEqual([])
  expect(await blockers('beside', '2026-09')).toEqual([])
  await takeBack(buckets.sinks, { feed: 'erp', name: name! })
  expect(await blockers('aside', '2026-09')).toEqual([])
})

const record = (id: string, more: Partial<BillingRunRecord>): BillingRunRecord => ({
  ...{ billing_run_id: id, cutoff: '2026-11-01T00:00:00Z', entity_id: 'runs', preview: false, partitions: 1 },
  ...{ requested_at: '2026-11-01T06:00:00Z', after: { METERING: [0], LIFECYCLE: [0] }, ledger_after: 0 },
  ...{ ordered: true, requested_by: null, customer_id: null, held: [] },
  ...more,
})

test('a run whose batches are not published keeps open what it may bill; a preview, another entity and an earlier cutoff do not', async () => {
  const all = [
    record('br_1', {}),
    record('br_2', { preview: true }),
    record('br_3', { entity_id: 'elsewhere' }),
    record('br_4', { cutoff: '2026-09-30T00:00:00Z' }),
  ]
  for (const one of all) await buckets.runs.put(runKeys.record(one.billing_run_id), JSON.stringify(one))
  expect(kindsOf(await blockers('runs', '2026-10'))).toEqual(['billing_run br_1'])
  const held: PublishedBatch = {
    ...{ batch_id: 'batch_1', entity_id: 'runs', currency: 'USD', number: 1, of: 1, line_count: 1 },
    ...{ amount_total: '1', amount_rounded_total: '1', sha256: '0'.repeat(64), stream_sequence: 0 },
    held: { approval_id: 'ap_1', state: 'waiting' },
  }
  const tell = (batches: readonly PublishedBatch[]) =>
    buckets.runs.put(
      runKeys.progress('br_1'),
      JSON.stringify({ billing_run_id: 'br_1', sealed_partitions: [0], batches }),
    )
  await tell([held])
  expect(await blockers('runs', '2026-10')).toMatchObject([
    { kind: 'held_batch', id: 'batch_1', detail: expect.stringContaining('weir approvals show ap_1') },
  ])
  await tell([{ ...held, held: { approval_id: 'ap_1', state: 'rejected' } }])
  expect(await blockers('runs', '2026-10')).toEqual([])
})

test('a batch of the period that nobody has acknowledged keeps it open, where batches are acknowledged', async () => {
  await insert('journal_entries', [
    entry('acked', 'je_a'),
    entry('acked', 'je_b', { accounting_period: '2026-11' }),
    entry('acked', 'rl_a', { entry_kind: 'release', batch_id: 'batch_of_september' }),
  ])
  const unacknowledged = ['batch_je_a', 'batch_je_b', 'batch_of_september']
  const found = await blockers('acked', '2026-10', { unacknowledged })
  expect(found).toMatchObject([
    { kind: 'unacknowledged', id: 'batch_je_a', detail: expect.stringContaining('/batches/batch_je_a/ack') },
  ])
  expect(await blockers('acked', '2026-10', { unacknowledged: [] })).toEqual([])
})

test('an entry, a summary or a billing line whose delivery is not settled keeps its period open until it is', async () => {
  const states = ['waiting', 'sending', 'unclear', 'refused', 'held'] as const
  const line = stableId('bl', 'batch_je_waiting', 'ch_je_waiting')
  await insert('journal_entries', [
    ...states.map(state => entry('sent', `je_${state}`)),
    entry('sent', 'je_written'),
    entry('sent', 'je_next', { accounting_period: '2026-11' }),
    entry('elsewhere', 'je_theirs'),
  ])
  await insert('journal_summaries', [
    { journal_id: 'sm_1', line: 1, entity_id: 'sent', currency: 'USD', accounting_period: '2026-10' },
  ])
  const no = { code: 'no_answer', detail: 'timed out' }
  await insert('deliveries', [
    ...states.map(state => delivery(`je_${state}`, state, 1)),
    ...['written', 'superseded'].map(state => delivery('je_written', state, 1, { connection: state })),
    ...[line, 'sm_1', 'je_next', 'je_theirs'].map(id => delivery(id, 'unclear', 1, no)),
  ])
  const found = await blockers('sent', '2026-10', { feeds: [erp] })
  const expected = [line, ...states.map(state => `je_${state}`).sort(), 'sm_1']
  expect(kindsOf(found)).toEqual(expected.map(id => `delivery erp: journal ${id}`))
  expect(found[0]?.detail).toBe(`unclear (no_answer: timed out): weir deliveries show d_${line}`)
  const [left] = await blockers('sent', '2026-10')
  expect(left?.detail).toBe(
    'unclear (no_answer: timed out): no connection erp is configured; it goes on when there is one again',
  )
  await insert(
    'deliveries',
    expected.map(id => delivery(id, 'posted', 2)),
  )
  expect(await blockers('sent', '2026-10')).toEqual([])
})

test('a delivery that was refused keeps the period open until somebody discards it, and again when that is undone', async () => {
  await insert('journal_entries', [entry('unwanted', 'je_unwanted')])
  await insert('deliveries', [delivery('je_unwanted', 'refused', 1)])
  const refused = { name: 'd_je_unwanted', sequence: 1, table: 'deliveries', content: '{}', bytes: '' }
  const why = { code: 'rejected_by_approval', detail: 'by ann', token: '' }
  await setAside(buckets.sinks, 'connection.erp', 'POSTINGS', [{ ...refused, ...why }])
  const open = ['delivery erp: journal je_unwanted']
  expect(kindsOf(await blockers('unwanted', '2026-10'))).toEqual(open)
  await markDiscarded(buckets.sinks, 'connection.erp', refused.name, true)
  expect(await blockers('unwanted', '2026-10')).toEqual([])
  await markDiscarded(buckets.sinks, 'connection.erp', refused.name, false)
  expect(kindsOf(await blockers('unwanted', '2026-10'))).toEqual(open)
})

test('a row of an entry that a table refused keeps every period open: what is settled is not known', async () => {
  const feed: Feed = { key: 'tables', stream: 'POSTINGS', filterSubjects: ['postings.nobody'] }
  const refused = { name: 'journal_entries:7', sequence: 7, table: 'journal_entries', bytes: '', token: '' }
  const why = { code: 'malformed_journal_entry', detail: 'message 7', content: '{}' }
  await setAside(buckets.sinks, feed.key, 'POSTINGS', [{ ...refused, ...why }])
  const found = await blockers('tables', '2026-10', { feeds: [feed] })
  expect(kindsOf(found)).toEqual(['set_aside journal_entries:7'])
  await takeBack(buckets.sinks, { feed: feed.key, name: refused.name })
  expect(await blockers('tables', '2026-10', { feeds: [feed] })).toEqual([])
})

test('a feed that has not taken all of its stream keeps every period open', async () => {
  await js.publish('billing.behind.r', '{}')
  const feed: Feed = { key: 'erp-copy', stream: 'BILLING', filterSubjects: ['billing.>'] }
  expect(kindsOf(await blockers('behind', '2026-10', { feeds: [feed] }))).toEqual(['behind erp-copy'])
  const idle: Feed = { key: 'idle', stream: 'BILLING', filterSubjects: ['billing.nobody.>'] }
  expect(await blockers('behind', '2026-10', { feeds: [idle] })).toEqual([])
})
