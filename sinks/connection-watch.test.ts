// With a real broker that is killed: what waits on the connection learns of it at once.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../deploy/embedded/nats-server.js'
import { publishBatch } from './atomic-batch.js'
import { unlessLost, watchOf } from './connection-watch.js'

let storeDir: string
let broker: NatsServer
let nc: NatsConnection
/** Far longer than the test may take: a wait that ends by its own time-out fails it. */
const tooLongMs = 600_000

beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-watch-'))
  broker = await startNatsServer({ storeDir })
  nc = await connect({ servers: broker.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
})

afterAll(async () => {
  await nc.close()
  await broker.stop()
  await rm(storeDir, { recursive: true, force: true })
})

async function kill(): Promise<void> {
  process.kill(broker.pid, 'SIGKILL')
  await broker.exited
}

test('a request under way ends when the connection is lost, and a batch waits until it is back', async () => {
  nc.subscribe('deaf') // somebody who never answers
  const request = unlessLost(nc, nc.request('deaf', undefined, { timeout: tooLongMs }))
  await nc.flush()
  await kill()
  expect(await request).toBeUndefined()
  expect(watchOf(nc).isUp).toBe(false)
  expect(await watchOf(nc).reached(10)).toBe(false)
  const message = { natsSubject: 'nobody', bytes: new Uint8Array(1) }
  expect(await publishBatch(nc, [message], { lastSubjectSequence: 0 }, 10)).toMatchObject({ kind: 'unknown' })

  const published = publishBatch(nc, [message], { lastSubjectSequence: 0 }, tooLongMs)
  broker = await startNatsServer({ storeDir, port: broker.port })
  expect(await watchOf(nc).reached(tooLongMs)).toBe(true)
  // No stream listens there: the broker itself says so, which only a message that was sent can bring about.
  expect(await published).toMatchObject({ kind: 'unknown', detail: expect.stringMatching(/no responders/i) })
})
