// The broker is killed at any moment, and the engine's process at every write of its commits; afterwards
// every acknowledged event is counted once.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { startNatsServer } from '../../deploy/embedded/nats-server.js'
import { conservationGap } from '../../schemas/event/dispositions.js'
import type { BrokerConnection } from '../broker/connect-broker.js'
import { natsSubjects } from '../broker/topology.js'
import { readCheckpoint } from '../ledger/checkpoint.js'
import { builtTestFile } from '../testing/built-test-file.js'
import {
  type Broker,
  connectTo,
  type EngineUnderTest,
  makeEngine,
  PlainWorker,
  publish,
  ratedTotals,
  startBroker,
  type TestEvent,
  until,
} from '../testing/engine-harness.js'

let broker: Broker | undefined
let connection: BrokerConnection | undefined
const engines: EngineUnderTest[] = []

afterEach(async () => {
  await Promise.all(engines.splice(0).map(({ engine }) => engine.abort()))
  await connection?.nc.close()
  await broker?.stop()
})

/** Kills the broker with SIGKILL and starts it again on its store and port. */
async function killBroker(): Promise<void> {
  const { server, storeDir } = broker!
  process.kill(server.pid, 'SIGKILL')
  await server.exited
  broker!.server = await startNatsServer({ storeDir, port: server.port })
}

test('kill -9 of the broker in the middle of commits loses nothing and counts nothing twice', async () => {
  broker = await startBroker(4)
  connection = await connectTo(broker.server.login())
  const limits = {
    engine: { lingerMs: 1, commitMaxEvents: 200, commitTimeoutMs: 1_000, snapshotCommits: 20 },
  }
  for (const partition of [0, 1]) {
    const worker = new PlainWorker({ ballast: 200_000 })
    const made = await makeEngine(connection, partition, { ...limits, worker, takeOver: true })
    engines.push(made)
    await made.engine.start()
  }
  const sent: TestEvent[][] = [[], []]
  let sending = true
  const senders = [0, 1].map(async partition => {
    while (sending) {
      const from = sent[partition]!.length
      const more = Array.from({ length: 50 }, (_, i) => ({ id: `p${partition}-${from + i}`, value: i }))
      await publish(connection!.nc, natsSubjects.gatewayMetering(partition), more)
      sent[partition]!.push(...more)
    }
  })
  for (let kill = 0; kill < 4; kill += 1) {
    await sleep(250 + kill * 37)
    await killBroker()
  }
  await sleep(200)
  sending = false
  await Promise.all(senders)
  for (const partition of [0, 1]) {
    const list = sent[partition]!
    await until(() => (engines[partition]!.engine.status().counters?.rated ?? 0) >= list.length)
    const totals = await ratedTotals(broker, partition)
    expect(totals.rows).toBe(list.length)
    expect(totals.sum).toBe(list.reduce((sum, event) => sum + event.value, 0))
    expect(Math.max(...totals.byId.values())).toBe(1)
    const { checkpoint } = (await readCheckpoint(broker.jsm, partition))!
    expect(conservationGap(checkpoint.counters)).toBe(0)
    expect(engines[partition]!.interruptions.length).toBeGreaterThan(0) // the kills were felt
  }
})

test('kill -9 of the engine at every write of its commits loses nothing and counts nothing twice', async () => {
  broker = await startBroker(4)
  const list: TestEvent[] = []
  let deaths = 0
  for (const when of ['before', 'after']) {
    // Write 1 is the claim; a commit is a checkpoint, some chunks of delta, rows and counts.
    for (let write = 1; write <= 9; write += 1) {
      const more = Array.from({ length: 30 }, (_, i) => ({ id: `e${list.length + i}`, value: i }))
      await publish(broker.nc, natsSubjects.gatewayMetering(2), more)
      list.push(...more)
      const child = fork(builtTestFile('pipeline/testing/engine-child.js'), ['2', `${write}`, when], {
        env: { WEIR_TEST_LOGIN: JSON.stringify(broker.server.login()) },
      })
      const [, signal] = (await Promise.race([once(child, 'exit'), sleep(10_000, [0, 'late'])])) as [
        number,
        string,
      ]
      if (signal === 'SIGKILL') deaths += 1
      else child.kill('SIGKILL')
    }
  }
  expect(deaths).toBe(18)
  const last = await makeEngine(broker, 2, { takeOver: true })
  engines.push(last)
  await last.engine.start()
  await until(() => last.engine.status().counters?.received === list.length)
  const totals = await ratedTotals(broker, 2)
  expect(totals.rows).toBe(list.length)
  expect(totals.sum).toBe(list.reduce((sum, event) => sum + event.value, 0))
  expect(last.engine.status().epoch).toBeGreaterThan(15)
})
