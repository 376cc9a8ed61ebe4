// One engine on a real broker: stopped, started again, raced and cut off.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { conservationGap } from '../../schemas/event/dispositions.js'
import { genesisOf } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import type { HistoryRequest } from '../core/ports/core-io.js'
import { parseCheckpoint, readCheckpoint } from '../ledger/checkpoint.js'
import {
  type Broker,
  type EngineUnderTest,
  makeEngine,
  PlainWorker,
  publish,
  ratedTotals,
  readLedger,
  startBroker,
  type TestEvent,
  until,
} from '../testing/engine-harness.js'

let broker: Broker
let running: EngineUnderTest[]
/** Each test has a partition of its own. */
let partition = -1

beforeAll(async () => {
  broker = await startBroker(16)
})

afterAll(async () => {
  await broker?.stop()
})

beforeEach(() => {
  running = []
  partition += 1
})

afterEach(async () => {
  await Promise.all(running.map(({ engine }) => engine.abort()))
})

async function run(overrides: Parameters<typeof makeEngine>[2] = {}): Promise<EngineUnderTest> {
  const made = await makeEngine(broker, partition, overrides)
  running.push(made)
  await made.engine.start()
  return made
}

function events(count: number, prefix = 'e'): TestEvent[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${prefix}${i}`, value: i + 1 }))
}

async function send(list: readonly TestEvent[], perMessage = 10): Promise<void> {
  for (let at = 0; at < list.length; at += perMessage) {
    await publish(broker.nc, natsSubjects.gatewayMetering(partition), list.slice(at, at + perMessage))
  }
}

async function received(made: EngineUnderTest, count: number): Promise<void> {
  await until(() => (made.engine.status().counters?.received ?? 0) >= count)
}

const sum = (list: readonly TestEvent[]) => list.reduce((total, event) => total + event.value, 0)

test('what is published is rated once, and the checkpoint says how far', async () => {
  const list = events(500)
  await send(list)
  const made = await run()
  await send(list.slice(0, 100)) // again
  await received(made, 600)
  const totals = await ratedTotals(broker, partition)
  expect(totals.rows).toBe(500)
  expect(totals.sum).toBe(sum(list))
  const { counters, positions, lag } = made.engine.status()
  expect(conservationGap(counters!)).toBe(0)
  expect(counters!.duplicate).toBe(100)
  expect(lag.metering).toBe(0)
  expect((await readCheckpoint(broker.jsm, partition))!.checkpoint.positions).toEqual(positions)
})

test('a drained partition goes on where it stopped, from its deltas', async () => {
  const first = await run()
  await send(events(200))
  await received(first, 200)
  await first.engine.drain()
  expect(first.engine.status().state).toBe('stopped')
  await send(events(300)) // 200 of them are known
  const second = await run()
  await received(second, 500)
  expect((await ratedTotals(broker, partition)).rows).toBe(300)
  expect(second.engine.status().counters).toMatchObject({ received: 500, rated: 300, duplicate: 200 })
  expect(second.engine.status().epoch).toBe(2)
})

test('a snapshot takes the place of the deltas before it, and the older snapshot is deleted', async () => {
  const limits = { engine: { snapshotCommits: 3, lingerMs: 1 } }
  const first = await run(limits)
  for (let i = 0; i < 15; i += 1) {
    await send(events(10, `s${i}-`))
    await received(first, (i + 1) * 10)
  }
  await until(async () => (await readCheckpoint(broker.jsm, partition))!.checkpoint.snapshot !== null)
  await first.engine.drain()
  const { snapshot } = (await readCheckpoint(broker.jsm, partition))!.checkpoint
  await broker.jsm.streams.purge('LEDGER', {
    filter: natsSubjects.ledger(partition, 'delta'),
    seq: snapshot!.ledger_seq,
  })
  const second = await run(limits)
  await send(events(10, 's0-'))
  await received(second, 160)
  expect(second.engine.status().counters).toMatchObject({ rated: 150, duplicate: 10 })
  const objects: string[] = []
  for await (const key of await listObjects()) objects.push(key)
  const manifests = objects.filter(name => name.startsWith(`p${partition}-`) && !name.includes('.'))
  expect(manifests.length).toBeLessThanOrEqual(2)
  expect(objects.filter(name => name.startsWith(`p${partition}-`)).length).toBe(2 * manifests.length)
})

async function listObjects(): Promise<string[]> {
  const { Objm } = await import('@nats-io/obj')
  const store = await new Objm(broker.nc).open('weir_snapshots')
  return (await store.list()).filter(info => !info.deleted).map(info => info.name)
}

test('a stale owner is fenced: nothing of what it would commit becomes visible', async () => {
  let hold: (() => void) | undefined
  const held = new Promise<void>(resolve => {
    hold = resolve
  })
  let blocked = false
  const slow = new PlainWorker({
    beforeProcess: async () => {
      blocked = true
      await held
    },
  })
  const stale = await run({ worker: slow })
  await send(events(50))
  await until(() => blocked)
  const second = await run({ takeOver: true })
  await received(second, 50)
  const before = await readLedger(broker, partition, '>')
  hold!()
  await until(() => stale.states.includes('fenced'))
  expect(await readLedger(broker, partition, '>')).toHaveLength(before.length)
  expect((await ratedTotals(broker, partition)).rows).toBe(50)
  await send(events(20, 'late'))
  await received(second, 70)
  expect(stale.engine.status().state).toBe('fenced')
  expect(second.engine.status().epoch).toBe(2)
})

test('a second process stands by while the first one answers, and takes over when it is gone', async () => {
  const first = await run()
  const second = await run()
  expect(second.engine.status().state).toBe('fenced')
  await send(events(30))
  await received(first, 30)
  await first.engine.abort()
  await send(events(40))
  await until(() => second.engine.status().state === 'running')
  await received(second, 70)
  expect((await ratedTotals(broker, partition)).rows).toBe(40)
})

test('engines that keep taking the partition from each other rate every event once', async () => {
  const list: TestEvent[] = []
  let racing = true
  const sending = (async () => {
    while (racing) {
      const more = events(20, `r${list.length}-`)
      list.push(...more)
      await send(more, 20)
    }
  })()
  for (let round = 0; round < 12; round += 1) {
    await run({ takeOver: true, engine: { lingerMs: 1, commitMaxEvents: 100 } })
    await sleep(40)
  }
  racing = false
  await sending
  const newest = async () => (await readCheckpoint(broker.jsm, partition))!.checkpoint
  await until(async () => (await newest()).counters.received === list.length)
  expect(running.filter(({ states }) => states.includes('fenced')).length).toBeGreaterThan(4) // it was a race
  const totals = await ratedTotals(broker, partition)
  expect(totals.rows).toBe(list.length)
  expect(totals.sum).toBe(sum(list))
  expect(Math.max(...totals.byId.values())).toBe(1)
})

test('a worker that dies once costs a restore, not an event', async () => {
  let deaths = 0
  const worker = new PlainWorker({
    beforeProcess: async commit => {
      if (commit === 3 && deaths === 0) {
        deaths += 1
        await worker.close() // the state is gone
      }
    },
  })
  const made = await run({ worker, engine: { lingerMs: 1, commitMaxEvents: 20 } })
  for (let i = 0; i < 10; i += 1) await send(events(20, `w${i}-`), 20)
  await received(made, 200)
  expect(deaths).toBe(1)
  expect((await ratedTotals(broker, partition)).rows).toBe(200)
  expect(made.engine.status().epoch).toBe(2)
})

test('an input on which processing always fails stops the partition, and says so', async () => {
  const worker = new PlainWorker({
    beforeProcess: () => {
      throw new Error('boom')
    },
  })
  const made = await run({ worker })
  await send(events(1))
  await until(() => made.failures.length > 0)
  expect(made.failures[0]).toMatchObject({ code: 'processing_failed' })
  expect(made.failures[0]!.message).toContain('boom')
  expect(made.engine.status()).toMatchObject({ state: 'failed', failure: { code: 'processing_failed' } })
})

test('an order waits for everything that was accepted before it, and is carried out once', async () => {
  const list = events(100)
  await send(list)
  const after = (await broker.jsm.streams.getMessage('METERING', {
    last_by_subj: natsSubjects.metering(partition),
  }))!.seq
  const positions = Array.from({ length: 16 }, (_, p) => (p === partition ? after : null))
  const order = {
    billing_run_id: 'run_1',
    cutoff: '2026-02-01T00:00:00Z',
    entity_id: null,
    after: { METERING: positions, LIFECYCLE: [] },
  }
  await broker.nc.request(natsSubjects.billingRun, JSON.stringify(order), { timeout: 2_000 })
  await broker.nc.request(natsSubjects.billingRun, '{"not":"an order"}', { timeout: 2_000 })
  const made = await run({ engine: { commitMaxEvents: 10 } })
  await until(async () => (await readLedger(broker, partition, 'sealed')).length > 0)
  const sealed = await readLedger(broker, partition, 'sealed')
  const rated = await readLedger(broker, partition, 'rated_usage')
  expect(sealed.map(message => Buffer.from(message.bytes).toString())).toEqual(['run_1'])
  const before = rated.filter(message => message.seq < sealed[0]!.seq)
  const rows = before.flatMap(
    message => (JSON.parse(Buffer.from(message.bytes).toString()) as { rows: [] }).rows,
  )
  expect(rows).toHaveLength(100)
  await made.engine.drain()
  const again = await run()
  await send(events(10, 'more'))
  await received(again, 110)
  expect(await readLedger(broker, partition, 'sealed')).toHaveLength(1)
})

test('history is fetched after the commit that asked for it is stored, and handed in with the next call', async () => {
  const asked: number[] = []
  const answered: string[] = []
  let open: HistoryRequest[] = []
  const worker = new PlainWorker({
    patch: (processed, input) => {
      for (const answer of input.history) {
        answered.push(answer.requestId)
        open = open.filter(request => request.requestId !== answer.requestId)
      }
      if (input.commit === 2 && answered.length === 0)
        open = [{ requestId: 'h1', customerId: 'c', fromNs: 0n }]
      const holdsCustomers = open.length > 0
      return {
        ...processed,
        historyRequests: [...open],
        holdsCustomers,
        changed: processed.changed || input.history.length > 0,
      }
    },
  })
  let tries = 0
  const made = await run({
    worker,
    history: {
      async rowsOf(_request, ledgerSeq) {
        tries += 1
        if (tries === 1) throw new Error('ClickHouse is away')
        asked.push(ledgerSeq)
        return []
      },
    },
  })
  await send(events(10))
  await received(made, 10)
  await send(events(10, 'x'))
  await until(() => answered.length > 0)
  await send(events(10, 'y'))
  await received(made, 30)
  expect(answered).toEqual(['h1'])
  const counts = await readLedger(broker, partition, 'event_dispositions')
  expect(counts.map(message => message.seq)).toContain(asked[0])
  expect(asked[0]).toBeGreaterThanOrEqual(counts[1]!.seq)
  expect(made.interruptions.join()).toContain('ClickHouse is away')
})

test('usage is not read while too much is held for history, changes are', async () => {
  let holding = false
  const worker = new PlainWorker({
    patch: (processed, input) => {
      if (input.history.length > 0) holding = false
      else if (input.commit === 1) holding = true
      const historyRequests = holding ? [{ requestId: 'h', customerId: 'c', fromNs: 0n }] : []
      return { ...processed, historyRequests, holdsCustomers: holding, heldBytes: holding ? 40 << 20 : 0 }
    },
  })
  let release: (() => void) | undefined
  const released = new Promise<void>(resolve => {
    release = resolve
  })
  const made = await run({ worker, history: { rowsOf: () => released.then(() => []) } })
  await send(events(1))
  await received(made, 1)
  await until(() => made.engine.status().heldBytes > 0)
  await send(events(5, 'usage'))
  await publish(broker.nc, natsSubjects.gatewayLifecycle(partition), events(3, 'change'))
  await received(made, 4)
  await sleep(100)
  expect(made.engine.status()).toMatchObject({ counters: { received: 4 }, lag: { metering: 1 } })
  release!()
  await received(made, 9)
})

test('the position of an idle partition follows the stream, so that what others processed may be purged', async () => {
  const made = await run({ engine: { tickMs: 300, idleCheckpointSequences: 5 } })
  await send(events(1))
  await received(made, 1)
  for (let i = 0; i < 10; i += 1)
    await publish(broker.nc, natsSubjects.gatewayMetering(0), events(1, `other${i}`))
  const end = (await broker.jsm.streams.info('METERING')).state.last_seq
  await until(
    async () => (await readCheckpoint(broker.jsm, partition))!.checkpoint.positions.METERING.seq >= end,
  )
  await made.engine.drain()
  const again = await run()
  await send(events(2))
  await received(again, 3)
  expect(again.engine.status().counters).toMatchObject({ rated: 2, duplicate: 1 })
})

test('a purge past what was processed stops the partition with what to do', async () => {
  const first = await run()
  await send(events(20))
  await received(first, 20)
  await first.engine.drain()
  await send(events(20, 'lost'))
  await broker.jsm.streams.purge('METERING')
  const second = await makeEngine(broker, partition)
  running.push(second)
  await expect(second.engine.start()).rejects.toMatchObject({ code: 'input_purged' })
  expect(second.failures[0]!.message).toContain('restore the stream from a backup')
  expect((await readLedger(broker, partition, 'state')).length).toBeGreaterThan(0)
})

test('large rows and deltas are cut to what the broker takes, and come back whole', async () => {
  const engine = { deltaChunkBytes: 1_000 }
  const worker = new PlainWorker({ ballast: 3_000_000 })
  const made = await run({ worker, engine })
  await send(events(2_000), 500)
  await received(made, 2_000)
  await made.engine.drain()
  const { key } = await genesisOf(broker.jsm)
  const states = (await readLedger(broker, partition, 'state')).map(message =>
    parseCheckpoint(message.bytes, partition, key),
  )
  expect(Math.max(...states.map(state => state!.delta_chunks))).toBeGreaterThan(5)
  const again = await run({ engine })
  await send(events(2_000), 500)
  await received(again, 4_000)
  expect(again.engine.status().counters).toMatchObject({ rated: 2_000, duplicate: 2_000 })
})

test('a commit that can never fit stops the partition', async () => {
  const made = await run({ worker: new PlainWorker({ ballast: 10_000_000 }) })
  await send(events(1))
  await until(() => made.failures.length > 0)
  expect(made.failures[0]).toMatchObject({ code: 'commit_too_large' })
})
