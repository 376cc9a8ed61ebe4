// What a stranger publishes on a partition's subjects is passed over; what is gone is never read as the beginning.

import { jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Objm } from '@nats-io/obj'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { genesisBucket } from '../broker/genesis.js'
import { ensureTopology, natsSubjects, snapshotBucket } from '../broker/topology.js'
import {
  type Broker,
  type EngineUnderTest,
  makeEngine,
  publish,
  ratedTotals,
  readLedger,
  startBroker,
  type TestEvent,
  until,
} from '../testing/engine-harness.js'
import { readCheckpoint } from './checkpoint.js'

const partition = 1
let broker: Broker
const engines: EngineUnderTest[] = []

beforeEach(async () => {
  broker = await startBroker(4)
})

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.abort()))
  await broker.stop()
})

let sent = 0

function events(count: number): TestEvent[] {
  sent += count
  return Array.from({ length: count }, (_, i) => ({ id: `e${sent - count + i}`, value: 1 }))
}

async function run(options: Parameters<typeof makeEngine>[2] = {}): Promise<EngineUnderTest> {
  const made = await makeEngine(broker, partition, { takeOver: true, ...options })
  engines.push(made)
  return made
}

async function send(list: readonly TestEvent[]): Promise<void> {
  await publish(broker.nc, natsSubjects.gatewayMetering(partition), list)
}

async function received(made: EngineUnderTest, count: number): Promise<void> {
  await until(() => made.engine.status().counters?.received === count)
}

async function worked(options: Parameters<typeof makeEngine>[2] = {}): Promise<void> {
  const made = await run(options)
  await made.engine.start()
  for (let i = 1; i <= 3; i += 1) {
    await send(events(10))
    await received(made, i * 10)
  }
  await made.engine.drain()
}

async function expectStopped(code: string): Promise<void> {
  const made = await run()
  await expect(made.engine.start()).rejects.toMatchObject({ code })
  expect(made.failures[0]!.message).toMatch(/[Rr]estore/)
}

const ledger = (what: string) => natsSubjects.ledger(partition, what)

test('a partition whose ledger was purged stops and counts nothing twice', async () => {
  await worked()
  await broker.jsm.streams.purge('LEDGER')
  await expectStopped('checkpoint_missing')
  expect((await broker.jsm.streams.info('LEDGER')).state.messages).toBe(0)
})

test('a partition whose checkpoints alone were purged stops', async () => {
  await worked()
  await broker.jsm.streams.purge('LEDGER', { filter: ledger('state') })
  await expectStopped('checkpoint_missing')
})

test('a partition whose deltas were purged, or one of them, stops', async () => {
  await worked()
  const deltas = await readLedger(broker, partition, 'delta')
  await broker.jsm.streams.purge('LEDGER', { filter: ledger('delta'), seq: deltas[0]!.seq + 1 })
  await expectStopped('ledger_incomplete')
})

test('a partition whose snapshot was lost stops, and so does one that lost the object store', async () => {
  const made = await run({ engine: { snapshotCommits: 1 } })
  await made.engine.start()
  await until(async () => {
    await send(events(1))
    return (await readCheckpoint(broker.jsm, partition))!.checkpoint.snapshot !== null
  })
  await made.engine.drain()
  await (await new Objm(broker.nc).open(snapshotBucket)).destroy()
  await ensureTopology(broker.nc, { partitions: 4 })
  await expectStopped('snapshot_missing')
})

test('another LEDGER of that name is refused by the engine and at the start', async () => {
  await worked()
  const { config } = await broker.jsm.streams.info('LEDGER')
  await broker.jsm.streams.delete('LEDGER')
  await expect(ensureTopology(broker.nc, { partitions: 4 })).rejects.toMatchObject({ code: 'stream_missing' })
  await broker.jsm.streams.add(config)
  await expect(ensureTopology(broker.nc, { partitions: 4 })).rejects.toMatchObject({
    code: 'stream_replaced',
  })
  await expectStopped('ledger_recreated')
})

test('lost keys, runs and the record of the beginning are told at the start, not made anew', async () => {
  await worked()
  for (const bucket of ['weir_keys', 'weir_runs']) {
    await broker.jsm.streams.delete(`KV_${bucket}`)
    await expect(ensureTopology(broker.nc, { partitions: 4 })).rejects.toMatchObject({
      code: 'bucket_missing',
    })
    await new Kvm(broker.nc).create(bucket)
  }
  await broker.jsm.streams.delete(`KV_${genesisBucket}`)
  await expect(ensureTopology(broker.nc, { partitions: 4 })).rejects.toMatchObject({
    code: 'genesis_missing',
  })
  const jsm = await jetstreamManager(broker.nc)
  const made = await run({ jsm })
  await expect(made.engine.start()).rejects.toMatchObject({ code: 'genesis_missing' })
})

test('a start that died half-way goes on, and what others made meanwhile is taken', async () => {
  const other = await startBroker(4)
  try {
    const record = await new Kvm(other.nc).open(genesisBucket)
    const entry = (await record.get('installation'))!
    await record.put('installation', JSON.stringify({ ...entry.json<object>(), made: false, streams: {} }))
    await other.jsm.streams.delete('POSTINGS')
    const streams = await Promise.all([1, 2].map(() => ensureTopology(other.nc, { partitions: 4 })))
    expect(streams[0]!.POSTINGS.created).toBe(streams[1]!.POSTINGS.created)
    expect((await record.get('installation'))!.json()).toMatchObject({ made: true })
  } finally {
    await other.stop()
  }
})

test('a running partition commits over forged checkpoints, and they change nothing', async () => {
  const made = await run()
  await made.engine.start()
  await send(events(10))
  await received(made, 10)
  const old = (await readLedger(broker, partition, 'state'))[0]!
  const forgeries = ['{}', '', '{"format":2,"partition":1,"epoch":999,"commit":0}', old.bytes]
  for (const [index, forgery] of forgeries.entries()) {
    await broker.nc.request(ledger('state'), forgery)
    await send(events(10))
    await received(made, 20 + index * 10)
  }
  expect(made.failures).toEqual([])
  expect(made.engine.status()).toMatchObject({ epoch: 1, state: 'running' })
})

test('a partition is claimed and restored over forged checkpoints, deltas and rows, and counts once', async () => {
  await worked()
  const states = await readLedger(broker, partition, 'state')
  const deltas = await readLedger(broker, partition, 'delta')
  const copies = [states[0]!, states.at(-1)!, states[1]!, states.at(-1)!]
  for (const { bytes } of copies) await broker.nc.request(ledger('state'), bytes)
  for (const bytes of ['{}', deltas[0]!.bytes]) await broker.nc.request(ledger('delta'), bytes)
  for (let i = 0; i < 100; i += 1) await broker.nc.request(ledger('state'), `forged ${i}`)
  expect((await readCheckpoint(broker.jsm, partition))!.seq).toBe(states.at(-1)!.seq)
  const again = await run()
  await again.engine.start()
  await send(events(10))
  await received(again, 40)
  await again.engine.drain()
  const last = await run()
  await last.engine.start()
  await received(last, 40)
  expect(await ratedTotals(broker, partition)).toMatchObject({ rows: 40, sum: 40 })
})

test('a forged checkpoint before the first claim neither makes a partition nor stops it', async () => {
  await broker.nc.request(ledger('state'), '{"format":2,"partition":1,"epoch":5,"commit":7}')
  await worked()
  expect((await readCheckpoint(broker.jsm, partition))!.checkpoint).toMatchObject({ epoch: 1 })
})
