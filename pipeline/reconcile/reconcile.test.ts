// A small set of books that agree, and one falsification after another: each must be found, by its id. The rows are made
// by hand, so that no ledger has them: what is held against the ledger is proven in pipeline/testing/faults/falsified.test.ts.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import type { BillingRunRecord } from '../../schemas/billing/billing-run.js'
import { tables } from '../../schemas/tables.js'
import { taxStateKey, taxTroubleKey } from '../../schemas/tax-trouble.js'
import { nsOf } from '../../schemas/time.js'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { genesisOf, writeBirth } from '../broker/genesis.js'
import { ensureTopology } from '../broker/topology.js'
import type { WeirConfig } from '../config/config.js'
import { PartitionState } from '../core/state/partition-state.js'
import { encodeRecord } from '../deliver/delivery-record.js'
import { feedOf } from '../deliver/feed.js'
import { feedsOf } from '../feature/feature.js'
import { features } from '../features.js'
import { type Checkpoint, encodeCheckpoint } from '../ledger/checkpoint.js'
import { cutPartition } from './ledger-cut.js'
import { reconcile } from './reconcile.js'
import { askGateway, reconcileCommand } from './reconcile-command.js'
import type { ReconcileReport } from './report.js'
import { checkTaxes } from './taxes.js'
import { extra, falsifications, toldOtherwise } from './testing/falsifications.js'
import { smallBooks } from './testing/small-books.js'

const noFeatureConfigured = {
  sections: { connections: [], sources: [], erp: {} },
} as Partial<WeirConfig> as WeirConfig
const feeds = feedsOf(features, noFeatureConfigured)

let folder: string
let broker: NatsServer
let server: EmbeddedClickhouse
let nc: NatsConnection
let js: JetStreamClient
let jsm: JetStreamManager
let sinks: KV
let runs: KV
let taxes: KV
let config: ClickHouseConfig
let clickhouse: ClickHouseClient

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-reconcile-'))
  broker = await startNatsServer({ storeDir: join(folder, 'nats') })
  await beginWithSchema(join(folder, 'clickhouse'))
  server = await startEmbeddedClickhouse({ dataDir: join(folder, 'clickhouse') })
  nc = await connect({ ...broker.login() })
  js = jetstream(nc)
  jsm = await jetstreamManager(nc)
  await ensureTopology(nc, { partitions: 2 })
  sinks = await new Kvm(js).open('weir_sinks')
  runs = await new Kvm(js).open('weir_runs')
  taxes = await new Kvm(js).open('weir_taxes')
  config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  clickhouse = openClickHouse(config)
  await publishStreams()
})

afterAll(async () => {
  await clickhouse.close()
  await nc.close()
  await server.stop()
  await broker.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Ids of charges are those of a state. */
const charge1 = 'ch_11111111111111111111111111111111'

const zero = {
  received: 0,
  rated: 0,
  applied: 0,
  duplicate: 0,
  conflicting: 0,
  parked: 0,
  dead_lettered: 0,
  unmetered: 0,
}
const created = { created: '2026-01-01T00:00:00Z', seq: 0 }
const positions = { CATALOG: created, CONTROL: created, LIFECYCLE: created, METERING: created }
const checkpoint = async (
  partition: number,
  commit: number,
  counters: typeof zero,
  messages: Checkpoint['messages'] = [],
  { follows, epoch } = { follows: 0, epoch: 1 },
) => {
  const { key } = await genesisOf(jsm)
  const at = { partition, epoch, owner: 'me', commit, positions, follows, messages }
  return encodeCheckpoint({ format: 2, ...at, snapshot: null, delta_chunks: 0, counters, figures: {} }, key)
}

/** A delta of a state that has the charge `charge1`, for which so much is owed. */
function deltaOwing(emitted: bigint): Uint8Array {
  const state = new PartitionState(86_400_000)
  state.putCharge({
    ...{ chargeId: charge1, serial: -1, customerId: 'c', subscriptionId: 'sub', price: 'p', meter: 'm' },
    ...{ plan: 'pro', planVersion: 1, entityId: '', currency: 'USD', subscriptionVersion: 1 },
    ...{ fromNs: 0n, untilNs: nsOf(86_400_000), emitted },
    accumulator: {
      ...{ events: 2, firstMs: 0, lastMs: 1, levelsAtStart: undefined },
      state: { kind: 'sum', total: 2n },
    },
  })
  return state.takeDelta()
}

const counted = { ...zero, received: 4, rated: 2, applied: 1, duplicate: 1 }

let lastState = { follows: 0, epoch: 0 }

/** Partition 0, claimed again, owes so much after its second commit. */
async function publishOwing(emitted: bigint): Promise<void> {
  const delta = deltaOwing(emitted)
  lastState.epoch += 1
  const body = await checkpoint(0, 2, counted, [['delta', delta.length]], lastState)
  const { seq } = await js.publish('ledger.0.state', body)
  await js.publish('ledger.0.delta', delta)
  lastState = { ...lastState, follows: seq }
}

async function publishStreams(): Promise<void> {
  await publishOwing(1_500_000_000_001n)
  await js.publish('ledger.1.state', await checkpoint(1, 9, zero))
  await js.publish('billing.default.run1', '{}')
  await js.publish('postings.default', '{}')
  await js.publish('postings.default', '{}')
  const streamCreated = 'any'
  const done = { position: 2, intent: null, owner: '', streamCreated }
  for (const key of ['clickhouse', 'billing', 'erp', 'taxes', 'clickhouse.billing', 'clickhouse.postings'])
    await sinks.put(key, encodeRecord(done))
}

async function insert(table: string, values: readonly object[]): Promise<void> {
  const settings = { date_time_input_format: 'best_effort' } as const
  await clickhouse.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
}

/** One customer, one usage charge with an adjustment, one run, both posted; one subscription of two versions. */
beforeEach(async () => {
  for (const { name } of tables) await clickhouse.command({ query: `TRUNCATE TABLE ${name}` })
  for (const [table, rows] of Object.entries(smallBooks(charge1))) await insert(table, rows)
  for (const id of ['run1', 'run2']) await runs.put(`run.${id}`, JSON.stringify(recordOf(id)))
  await runs.put(
    'progress.run1',
    JSON.stringify({ billing_run_id: 'run1', sealed_partitions: [0, 1], batches: [] }),
  )
})

const recordOf = (id: string): BillingRunRecord => ({
  ...{ billing_run_id: id, cutoff: '2026-02-01T00:00:00Z', entity_id: null, customer_id: null, held: [] },
  ...{ preview: false, requested_at: '2026-02-01T00:00:00Z', after: { METERING: [0, 0], LIFECYCLE: [0, 0] } },
  ...{ partitions: 2, ledger_after: 0, ordered: true, requested_by: null },
})

const ask = (waitMs = 0): Promise<ReconcileReport> =>
  reconcile({ clickhouse, nc, js, jsm, sinks, runs, taxes, feeds, waitMs })
const failed = (report: ReconcileReport) =>
  report.checks
    .filter(check => !check.ok && !check.check.startsWith('table_'))
    .map(check => [check.check, check.differences.map(one => one.id)])

test('books that agree are found to agree, whatever came after them', async () => {
  const report = await ask()
  expect(failed(report)).toEqual([])
  expect(report).toMatchObject({ caught_up: true, lagging: [] })
  expect(report.partitions.map(({ partition, gap, commit }) => [partition, gap, commit])).toEqual([
    [0, 0, 2],
    [1, 0, 9],
  ])
  expect(report.totals).toEqual([
    {
      currency: 'USD',
      rated_usage: '8.500000000001',
      charges: '1.500000000001',
      charges_rounded: '1.5',
      batches_rounded: '1.5',
      debits: '1.5',
      credits: '1.5',
      mrr_movements: '0',
      usage_not_billed: '7',
      sealed_not_batched: '0',
    },
  ])
})

for (const [claim, table, row, found] of falsifications(charge1)) {
  test(`${claim} is found`, async () => {
    await insert(table, [row])
    const report = await ask()
    expect(failed(report)).toEqual(found)
    expect(report.ok).toBe(false)
  })
}

test('a tax that is posted otherwise than it was told is found, unless it is an exception or a later state is on its way', async () => {
  const { found, ...rows } = toldOtherwise
  for (const [table, values] of Object.entries(rows)) await insert(table, values)
  const ledger = feedOf(feeds, 'clickhouse')
  const cuts = await Promise.all([0, 1].map(partition => cutPartition(jsm, sinks, ledger, partition)))
  const check = () =>
    checkTaxes(
      { clickhouse, jsm, sinks, taxes, feeds },
      cuts.filter(one => one !== undefined),
    )
  const differences = async () =>
    (await check()).differences.map(one => `${one.id}: ${one.expected}, ${one.found}, ${one.detail}`)
  expect((await differences()).sort()).toEqual([...found].sort())
  expect(await check()).toMatchObject({ state: 'differs', difference_count: found.length })
  const ids = [...new Set(found.map(text => text.slice(0, text.indexOf(':'))))]
  for (const keyOf of [taxTroubleKey, taxStateKey]) {
    for (const id of ids) await taxes.put(keyOf(id), JSON.stringify({ sequence: 9 }))
    expect(await check()).toMatchObject({ state: 'agrees', difference_count: 0 })
    for (const id of ids) await taxes.delete(keyOf(id))
  }
  for (const id of ids)
    await taxes.put(taxStateKey(id), JSON.stringify({ sequence: id === 'never told' ? 0 : 1 }))
  expect((await check()).difference_count).toBe(found.length)
})

test('a charge that the state has otherwise than its rows is found and named, in an open period too', async () => {
  await publishOwing(1_500_000_000_002n)
  try {
    const report = await ask()
    const owed = report.checks.find(({ check }) => check === 'owed_rated')
    expect(owed).toMatchObject({
      state: 'differs',
      difference_count: 1,
      differences: [{ id: charge1, expected: '1.500000000002', found: '1.500000000001' }],
    })
    expect(owed!.differences[0]!.detail).toContain('customer c, partition 0')
  } finally {
    await publishOwing(1_500_000_000_001n)
  }
  expect(failed(await ask())).toEqual([])
})

test('what lags is waited for, then named', async () => {
  const before = await sinks.get('clickhouse')
  await js.publish('ledger.0.charges', 'rows')
  try {
    const report = await ask(150)
    expect(report.caught_up).toBe(false)
    expect(report.lagging).toEqual([expect.objectContaining({ what: 'sink clickhouse', position: 2 })])
    expect(report.waited_ms).toBeGreaterThanOrEqual(150)
  } finally {
    const { state } = await jsm.streams.info('LEDGER')
    const done = { position: state.last_seq, intent: null, owner: '', streamCreated: 'any' }
    await sinks.put('clickhouse', encodeRecord(done))
  }
  expect(before).not.toBeNull()
})

test('a partition that has stopped, or lost its checkpoint, is told and hides none of the others', async () => {
  const stopped = await reconcile({
    ...{ clickhouse, nc, js, jsm, sinks, runs, taxes, feeds, waitMs: 0 },
    stopped: () => new Map([[1, 'Its input was purged.']]),
  })
  expect(stopped.ok).toBe(false)
  expect(stopped.partitions).toHaveLength(2)
  expect(stopped.checks.find(({ check }) => check === 'partitions')).toMatchObject({
    differences: [{ id: 'partition 1', found: 'stopped', detail: 'Its input was purged.' }],
  })
  await writeBirth(nc, 1)
  const purged = 'ledger.1.state'
  const before = await jsm.streams.getMessage('LEDGER', { last_by_subj: purged })
  await jsm.streams.purge('LEDGER', { filter: purged })
  try {
    const lost = await ask()
    expect(lost.partitions.map(({ partition }) => partition)).toEqual([0])
    const { differences } = lost.checks.find(({ check }) => check === 'partitions')!
    expect(differences).toMatchObject([{ id: 'partition 1', found: 'checkpoint_missing' }])
  } finally {
    await js.publish(purged, before!.data)
  }
})

test('the command prints the report and exits 1 where something differs', async () => {
  const out: string[] = []
  const errors: string[] = []
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => errors.push(text) },
    isTTY: false,
  }
  expect(await reconcileCommand({ read: () => ask(), json: true }, io)).toBe(1)
  expect(JSON.parse(out.splice(0).join(''))).toMatchObject({ ok: false })
  await insert('rated_usage', [{ ...extra, charge_id: charge1, amount: '1' }])
  expect(await reconcileCommand({ read: () => ask(), json: false }, io)).toBe(1)
  const text = out.join('')
  expect(text).toContain('Not so: rated usage adds up to every charge')
  expect(text).toMatch(/ch_1+ +1\.500000000001 +2\.500000000001 +c/)
  expect(text).toContain('Not so: ClickHouse has every row of rated_usage as the ledger has it')
  expect(text).toMatch(/\d+ of \d+ checks found differences/)
  const read = () => askGateway({ url: 'http://127.0.0.1:2', apiKey: undefined })
  expect(await reconcileCommand({ read, json: true }, io)).toBe(1)
  expect(errors.join('')).toMatch(/^weir reconcile: .*ECONNREFUSED/)
})
