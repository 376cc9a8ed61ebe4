// No event is processed before a catalog that may have a say in it, however late the partition reads that catalog.

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { natsSubjects } from '../broker/topology.js'
import { pipelineLimits } from '../config/limits.js'
import type { InputStream } from '../ledger/checkpoint.js'
import type { LedgerAccess } from '../ledger/commit.js'
import { type Broker, startBroker, until } from '../testing/engine-harness.js'
import { CatalogGate } from './catalog-gate.js'
import type { Claim } from './claim.js'
import { PartitionInputs } from './inputs.js'

let broker: Broker
beforeAll(async () => {
  broker = await startBroker(1)
})
afterAll(async () => {
  await broker?.stop()
})

/** A transport that asks for catalogs only once it is told to. */
function lateCatalog(bulk: BulkTransport): { readonly bulk: BulkTransport; readonly begin: () => void } {
  const held: (() => void)[] = []
  let isLate = true
  const late: BulkTransport = {
    request: (messages, timeoutMs) => bulk.request(messages, timeoutMs),
    async open(reading) {
      const opened = await bulk.open(reading)
      return {
        pull(natsSubject, request) {
          const pull = (): void => opened.pull(natsSubject, request)
          if (isLate && natsSubject.includes('.CATALOG.')) held.push(pull)
          else pull()
        },
        close: () => opened.close(),
      }
    },
  }
  const begin = (): void => {
    isLate = false
    for (const pull of held) pull()
  }
  return { bulk: late, begin }
}

test('usage waits for a catalog that came before it and that the partition has not read', async () => {
  const { nc, jsm } = broker
  const { bulk, begin } = lateCatalog(broker.bulk)
  const { engine: limits } = pipelineLimits({ partitions: 1, maxPayload: nc.info!.max_payload })
  const interruptions: string[] = []
  const access = { nc, bulk, jsm, limits } as LedgerAccess
  const streams: readonly InputStream[] = ['CATALOG', 'CONTROL', 'LIFECYCLE', 'METERING']
  const positions = Object.fromEntries(
    await Promise.all(
      streams.map(async stream => [stream, { created: (await jsm.streams.info(stream)).created, seq: 0 }]),
    ),
  )
  const inputs = await PartitionInputs.open(access, { checkpoint: { partition: 0, positions } } as Claim, 1, {
    onMessage: () => undefined,
    onInterruption: detail => interruptions.push(detail),
    onFailure: failure => interruptions.push(failure.message),
  })
  try {
    await nc.request(natsSubjects.catalog, 'a catalog', { timeout: 5_000 })
    await nc.request(natsSubjects.gatewayMetering(0), 'usage', { timeout: 5_000 })
    await until(() => inputs.lag.metering === 1)
    for (let look = 0; look < 10; look += 1) {
      expect(inputs.take(1 << 20, false).metering).toEqual([])
      await sleep(10)
    }
    begin()
    const order: string[] = []
    await until(() => {
      const { catalog, metering } = inputs.take(1 << 20, false)
      order.push(...[...catalog, ...metering].map(({ bytes }) => Buffer.from(bytes).toString()))
      return order.length === 2
    })
    expect(order).toEqual(['a catalog', 'usage'])
    expect(interruptions).toEqual([])
  } finally {
    inputs.stop()
  }
})

test('the gate asks before it has to close, and again where the broker does not answer', async () => {
  const answers: (number | Error)[] = [3, new Error('away'), 9]
  const told: string[] = []
  let asked = 0
  const gate = new CatalogGate({
    readEnd: () => {
      const answer = answers[asked]
      asked += 1
      return typeof answer === 'number' ? Promise.resolve(answer) : Promise.reject(answer)
    },
    onAnswer: () => told.push('answer'),
    onInterruption: detail => told.push(detail),
  })
  const at = 1_000_000
  expect(gate.letsThrough(undefined)).toBe(true)
  expect(gate.letsThrough(at)).toBe(false)
  await until(() => told.length === 1)
  expect([gate.letsThrough(at), gate.letsThrough(at + 15_000), gate.end, asked]).toEqual([true, true, 3, 1])
  expect(gate.letsThrough(at + 30_000)).toBe(true) // it asks, and nobody waits
  await until(() => told.length === 3)
  expect(told[1]).toBe('the end of CATALOG: away')
  expect(gate.letsThrough(at + 55_000)).toBe(false)
  await until(() => asked === 3 && gate.letsThrough(at + 55_000))
  expect(gate.end).toBe(9)
})
