// With a real broker that is killed: what waits on the connection learns of it at once.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { type ConnectionWatch, failingWhenLost, unlessLost, watchConnection } from './connection-watch.js'

let storeDir: string
let broker: NatsServer
let nc: NatsConnection
let watch: ConnectionWatch
/** Far longer than the test may take: a wait that ends by its own time-out fails it. */
const tooLongMs = 600_000

beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-watch-'))
  broker = await startNatsServer({ storeDir })
  nc = await connect({ ...broker.login(), maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  watch = watchConnection(nc)
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

test('a request under way ends when the connection is lost, and one may wait until it is back', async () => {
  nc.subscribe('deaf') // a subscriber that never answers
  const request = unlessLost(watch, nc.request('deaf', undefined, { timeout: tooLongMs }))
  await nc.flush()
  await kill()
  expect(await request).toBeUndefined()
  expect(watch.isUp).toBe(false)
  expect(await watch.reached(10)).toBe(false)
  broker = await startNatsServer({ storeDir, port: broker.port })
  expect(await watch.reached(tooLongMs)).toBe(true)
})

test('requests fail when the connection is lost, those of JetStream too, and those made meanwhile are sent when it is back', async () => {
  const failing = failingWhenLost(nc, watch)
  const jsm = await jetstreamManager(failing, { timeout: tooLongMs })
  await jsm.streams.add({ name: 'KEPT', subjects: ['kept'] })
  const lost = expect(failing.request('deaf', undefined, { timeout: tooLongMs })).rejects.toThrow(/was lost/)
  await nc.flush()
  await kill()
  await lost
  await expect(failing.request('echo', undefined, { timeout: 10 })).rejects.toThrow(/out of reach/)
  nc.subscribe('echo', { callback: (_error, msg) => void msg.respond(msg.data) })
  const waiting = [
    failing.request('echo', 'hello', { timeout: tooLongMs }),
    jsm.streams.info('KEPT'),
  ] as const
  broker = await startNatsServer({ storeDir, port: broker.port })
  expect((await waiting[0]).string()).toBe('hello')
  expect((await waiting[1]).config.name).toBe('KEPT')
})

test('requests are sent in the order of the calls, among what is published', async () => {
  const failing = failingWhenLost(nc, watch)
  const seen: string[] = []
  nc.subscribe('order.*', {
    callback: (_error, msg) => {
      seen.push(msg.subject)
      if (msg.reply) msg.respond()
    },
  })
  failing.publish('order.1')
  const second = failing.request('order.2')
  failing.publish('order.3')
  await second
  await failing.flush()
  expect(seen).toEqual(['order.1', 'order.2', 'order.3'])
})
