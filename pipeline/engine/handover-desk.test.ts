// Events for other partitions, published by an engine on a real broker that dies in between.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Broker, makeEngine, PlainWorker, startBroker, until } from '../testing/engine-harness.js'

let broker: Broker

beforeAll(async () => {
  broker = await startBroker(2)
})

afterAll(async () => {
  await broker?.stop()
})

const handover = { key: 'ho-1', partition: 1, event: '{"id":"moved"}' }

/** Hands one event over to another partition, until it is told that the event was published. */
class HandingWorker extends PlainWorker {
  readonly told: string[] = []

  constructor(beforeProcess: () => Promise<void>) {
    super({
      beforeProcess,
      patch: (processed, { handedOver = [] }) => {
        this.told.push(...handedOver)
        return { ...processed, handovers: this.#open(), changed: true }
      },
    })
  }

  override async open(task: Parameters<PlainWorker['open']>[0]) {
    return { ...(await super.open(task)), handovers: this.#open() }
  }

  #open() {
    return this.told.length === 0 ? [handover] : []
  }
}

async function handed(): Promise<Record<string, number>> {
  const { state } = await broker.jsm.streams.info('LIFECYCLE', { subjects_filter: 'lifecycle.1.>' })
  return state.subjects ?? {}
}

test('what is handed over is stored once, also when the engine dies before the core was told', async () => {
  const first = new HandingWorker(() => Promise.reject(new Error('killed')))
  const killed = await makeEngine(broker, 0, { worker: first })
  await killed.engine.start()
  await until(async () => Object.keys(await handed()).length > 0)
  await killed.engine.abort()
  expect(first.told).toEqual([])
  const second = new HandingWorker(async () => undefined)
  const next = await makeEngine(broker, 0, { worker: second })
  await next.engine.start()
  await until(() => second.told.length > 0)
  await next.engine.abort()
  expect(second.told).toEqual(['ho-1'])
  expect(await handed()).toEqual({ 'lifecycle.1.gateway': 1 })
})
