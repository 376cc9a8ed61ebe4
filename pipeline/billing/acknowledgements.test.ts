// Acknowledgements of billing batches: kept once, told of every batch, and taken as soon as a batch can be read.

import { jetstream } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { headers as natsHeaders } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BillingRunProgress, type BillingRunRecord, runKeys } from '../../schemas/billing/billing-run.js'
import { freeGate } from '../deliver/testing/flow-gates.js'
import { Acts } from '../testing/acts.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'
import { BillingRuns } from './billing-runs.js'
import { ProgressReader } from './told-progress.js'

const instant = '2026-02-01T06:05:00Z'
const partitions = 2
let broker: Broker
let kv: KV
let runs: BillingRuns
const acts = new Acts()

beforeAll(async () => {
  broker = await startBroker(partitions)
  kv = await new Kvm(broker.nc).open('weir_runs')
  runs = new BillingRuns({
    gate: freeGate,
    js: jetstream(broker.nc),
    jsm: broker.jsm,
    runs: kv,
    partitions,
    nowMs: () => Date.parse(instant),
    audit: acts,
    stoppedPartitions: () => new Map(),
    holds: { list: async () => [] },
  })
})

afterAll(() => broker?.close())

/** A run with its batches on the stream. `tell` writes the progress, without which the run knows of none. */
async function published(runId: string, ...batchIds: string[]): Promise<{ tell(): Promise<unknown> }> {
  const record: BillingRunRecord = {
    billing_run_id: runId,
    cutoff: instant,
    entity_id: null,
    customer_id: null,
    held: [],
    preview: false,
    requested_at: instant,
    after: { METERING: [], LIFECYCLE: [] },
    partitions,
    ledger_after: 0,
    ordered: true,
    requested_by: null,
  }
  await kv.put(runKeys.record(runId), JSON.stringify(record))
  const batches: NonNullable<BillingRunProgress['batches']> = []
  for (const batch_id of batchIds) {
    const headers = natsHeaders()
    headers.set('weir-batch', batch_id)
    const body = JSON.stringify({ batch_id })
    const { seq } = await jetstream(broker.nc).publish(`billing.de.${runId}`, body, { headers })
    const totals = { line_count: 1, amount_total: '1', amount_rounded_total: '1', sha256: '' }
    batches.push({
      batch_id,
      entity_id: 'de',
      currency: 'EUR',
      number: 1,
      of: 1,
      ...totals,
      stream_sequence: seq,
    })
  }
  const progress: BillingRunProgress = { billing_run_id: runId, sealed_partitions: [0, 1], batches }
  return { tell: () => kv.put(runKeys.progress(runId), JSON.stringify(progress)) }
}

const of = (keyId: string, keyName: string) => ({ keyId, keyName, scopes: new Set<never>() })
const by = { kind: 'api_key', id: 'k1', name: 'team' }

test('a batch is acknowledged by who read it before the run knew of it, and by whom stays', async () => {
  const { tell } = await published('br_01', 'batch_1', 'batch_2')
  const first = await runs.ack('br_01', 'batch_1', of('k1', 'team'))
  const kept = { acknowledged_at: instant, acknowledged_by: by }
  expect(first).toEqual({ kind: 'ok', value: { batch_id: 'batch_1', ...kept } })
  expect(await runs.ack('br_01', 'batch_none')).toMatchObject({ kind: 'refused', code: 'not_found' })
  await tell()
  expect(await runs.ack('br_01', 'batch_1', of('k2', 'other'))).toEqual(first)
  expect(await runs.batches('br_01')).toMatchObject({
    value: { batches: [{ acknowledgement: kept }, { acknowledgement: null }] },
  })
  // On record once, however often it is said.
  expect(acts.acts).toMatchObject([{ act: 'billing_batch.acknowledged', object: { id: 'batch_1' } }])
  expect(await runs.get('br_01')).toMatchObject({ value: { batches: { published: 2, acknowledged: 1 } } })
})

test('on a gateway without keys nobody is named, and so of what an older program kept', async () => {
  await (await published('br_02', 'batch_3', 'batch_4')).tell()
  await kv.put(runKeys.acknowledged('br_02', 'batch_4'), instant)
  const nobody = { acknowledged_at: instant, acknowledged_by: null }
  expect(await runs.ack('br_02', 'batch_3')).toEqual({
    kind: 'ok',
    value: { batch_id: 'batch_3', ...nobody },
  })
  expect(await runs.batches('br_02')).toMatchObject({
    value: { batches: [{ acknowledgement: nobody }, { acknowledgement: nobody }] },
  })
  expect(await runs.get('br_02')).toMatchObject({ value: { status: 'acknowledged' } })
})

test('what is told of a run is fetched once when all of its batches are published, and each time before', async () => {
  const { tell } = await published('br_03', 'batch_5', 'batch_6')
  const asked: string[] = []
  const get = (key: string) => {
    asked.push(key)
    return kv.get(key)
  }
  const counting = { get } as unknown as KV
  const reader = new ProgressReader(counting)
  expect(await reader.of('br_03')).toBeUndefined()
  await kv.put(
    runKeys.progress('br_03'),
    JSON.stringify({ billing_run_id: 'br_03', sealed_partitions: [0] } satisfies BillingRunProgress),
  )
  expect((await reader.of('br_03'))?.published).toEqual([])
  await tell()
  expect((await reader.of('br_03'))?.published).toHaveLength(2)
  expect(asked).toHaveLength(3)
  expect((await reader.of('br_03'))?.places.get('batch_6')).toBe(1)
  expect(asked).toHaveLength(3)
})
