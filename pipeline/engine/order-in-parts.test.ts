// A billing order that the core carries out in parts, on a real broker.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { natsSubjects } from '../broker/topology.js'
import {
  type Broker,
  type EngineUnderTest,
  makeEngine,
  PlainWorker,
  publish,
  readLedger,
  startBroker,
  until,
} from '../testing/engine-harness.js'

const partition = 0
const running: EngineUnderTest[] = []
let broker: Broker

beforeAll(async () => {
  broker = await startBroker(1)
})

afterAll(async () => {
  await Promise.all(running.map(({ engine }) => engine.abort()))
  await broker?.stop()
})

async function run(worker: PlainWorker): Promise<EngineUnderTest> {
  const made = await makeEngine(broker, partition, { worker })
  running.push(made)
  await made.engine.start()
  return made
}

test('an order in parts lets other input in between, and goes on after a restart; CONTROL moves with its last part', async () => {
  const order = { billing_run_id: 'in parts', cutoff: '2026-02-01T00:00:00Z', entity_id: null }
  const body = JSON.stringify({ ...order, after: { METERING: [], LIFECYCLE: [] } })
  const answer = await broker.nc.request(natsSubjects.billingRun, body, { timeout: 2_000 })
  const { seq } = answer.json() as { seq: number }
  let parts = 0
  // The usage waits for an answer of the broker about catalogs; the order has parts until it is in, five at least.
  let isUsageIn = false
  let isFree: () => void = () => undefined
  const stopped = new Promise<void>(resolve => {
    isFree = resolve
  })
  const worker = () =>
    new PlainWorker({
      beforeProcess: async () => {
        if (parts === 2) await stopped
      },
      patch: (processed, input) => {
        if (input.orders[0]?.billingRunId !== 'in parts') return processed
        parts += 1
        return parts < 5 || !isUsageIn ? { ...processed, goesOn: true, sealedRuns: [] } : processed
      },
    })
  const first = await run(worker())
  await until(() => parts === 2)
  await publish(broker.nc, natsSubjects.gatewayMetering(partition), [{ id: 'e1', value: 1 }])
  await until(
    () => first.engine.status().lag.metering > 0 || first.engine.status().oldestWaitingAtMs !== undefined,
  )
  isFree()
  await until(() => (first.engine.status().counters?.received ?? 0) > 0)
  isUsageIn = true
  await first.engine.drain()
  const second = await run(worker())
  await until(() => second.engine.status().positions?.CONTROL.seq === seq)
  await second.engine.drain()
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
  const states = (await readLedger(broker, partition, 'state')).map(
    one => (JSON.parse(text(one.bytes)) as { positions: { CONTROL: { seq: number } } }).positions.CONTROL.seq,
  )
  const sealed = (await readLedger(broker, partition, 'sealed')).filter(one => text(one.bytes) === 'in parts')
  expect(parts).toBeGreaterThanOrEqual(5)
  expect(sealed).toHaveLength(parts)
  expect(states.indexOf(seq)).toBeGreaterThan(4)
  const rated = await readLedger(broker, partition, 'rated_usage')
  const usage = rated.find(one => text(one.bytes).includes('"id"'))!
  expect(usage.seq).toBeGreaterThan(sealed[0]!.seq)
  expect(usage.seq).toBeLessThan(sealed.at(-1)!.seq)
})
