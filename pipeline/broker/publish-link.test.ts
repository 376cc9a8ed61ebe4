// Batches over the link against a real broker: with answers of every kind, from shared memory, and with the broker killed.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { connectTo, until } from '../testing/engine-harness.js'
import { lossyProxy } from '../testing/lossy-proxy.js'
import type { BatchMessage } from './atomic-batch.js'
import { publishLinkOf } from './publish-link.js'

const tooLongMs = 60_000

let storeDir: string
let server: NatsServer
let nc: NatsConnection
let jsm: JetStreamManager

beforeEach(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-publish-'))
  server = await startNatsServer({ storeDir })
  nc = await connectTo(server.login())
  jsm = await jetstreamManager(nc)
  await jsm.streams.add({ name: 'BATCHES', subjects: ['batch.>'], allow_atomic: true })
})

afterEach(async () => {
  await nc.close()
  await server.stop()
  await rm(storeDir, { recursive: true, force: true })
})

/** Of so many bytes each, in memory that threads share, the last one empty. */
function messages(sizes: readonly number[]): BatchMessage[] {
  return sizes.map((size, index) => ({
    natsSubject: `batch.${index}`,
    bytes: new Uint8Array(new SharedArrayBuffer(size + 7), 7).fill(index + 1),
    headers: { 'weir-number': String(index) },
  }))
}

const unfenced = { lastSubjectSequence: 0 }

async function stored(): Promise<number> {
  return (await jsm.streams.info('BATCHES')).state.messages
}

test('a batch is stored as it was sent: payloads, headers and order', async () => {
  const sizes = [10, 1_000_000, 0, 333]
  const outcome = await publishLinkOf(nc).publishBatch(messages(sizes), unfenced, tooLongMs)
  expect(outcome).toEqual({ kind: 'stored', seq: 4, count: 4 })
  for (const [index, size] of sizes.entries()) {
    const message = await jsm.streams.getMessage('BATCHES', { seq: index + 1 })
    expect(message?.subject).toBe(`batch.${index}`)
    expect(message?.header.get('weir-number')).toBe(String(index))
    const data = message?.data ?? new Uint8Array()
    expect(data.length).toBe(size)
    expect(data.every(byte => byte === index + 1)).toBe(true)
  }
})

test('batches under way at once are answered each for itself', async () => {
  const link = publishLinkOf(nc)
  const first = messages([1, 2])
  const other = first.map(message => ({ ...message, natsSubject: `${message.natsSubject}.other` }))
  const outcomes = await Promise.all([
    link.publishBatch(first, unfenced, tooLongMs),
    link.publishBatch(first, unfenced, tooLongMs),
    link.publishBatch(other, unfenced, tooLongMs),
  ])
  expect(outcomes.map(outcome => outcome.kind)).toEqual(['stored', 'fenced', 'stored'])
  expect(await stored()).toBe(4)
})

test('a message that is larger than the broker takes is refused before anything is sent', async () => {
  const tooMuch = nc.info!.max_payload
  const outcome = await publishLinkOf(nc).publishBatch(messages([1, tooMuch]), unfenced, tooLongMs)
  expect(outcome.kind).toBe('too_large')
  expect(await publishLinkOf(nc).publishBatch(messages([1]), unfenced, tooLongMs)).toMatchObject({ seq: 1 })
})

test('no answer, and nobody to answer, is unknown', async () => {
  const nobody = messages([1]).map(message => ({ ...message, natsSubject: 'nobody' }))
  const link = publishLinkOf(nc)
  expect(await link.publishBatch(nobody, unfenced, tooLongMs)).toMatchObject({
    kind: 'unknown',
    detail: expect.stringContaining('503'),
  })
  nc.subscribe('nobody') // somebody who never answers
  await nc.flush()
  expect(await link.publishBatch(nobody, unfenced, 50)).toMatchObject({
    kind: 'unknown',
    detail: expect.stringContaining('in time'),
  })
  expect((await link.publishBatch(messages([1]), unfenced, tooLongMs)).kind).toBe('stored')
})

test('a batch that is cut off is unknown at once, and nothing of it is stored', async () => {
  let cuts = 0
  const proxy = await lossyProxy(nc, server.port, {
    sent: message => {
      if (cuts > 0 || !message.startsWith('HPUB batch.1')) return 'passes'
      cuts += 1
      return 'cut_before'
    },
  })
  try {
    const link = publishLinkOf(proxy.nc)
    const outcome = await link.publishBatch(messages([5, 5, 5]), unfenced, tooLongMs)
    expect(outcome).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('lost') })
    expect(await stored()).toBe(0)
    const again = await link.publishBatch(messages([5, 5, 5]), unfenced, tooLongMs)
    expect(again).toMatchObject({ kind: 'stored', count: 3 })
  } finally {
    await proxy.close()
  }
})

test('while the broker is away nothing is sent, not later either; when it is back, batches are', async () => {
  const link = publishLinkOf(nc)
  expect((await link.publishBatch(messages([1]), unfenced, tooLongMs)).kind).toBe('stored')
  nc.subscribe('deaf')
  await nc.flush()
  const deaf = messages([1]).map(message => ({ ...message, natsSubject: 'deaf' }))
  const underWay = link.publishBatch(deaf, unfenced, tooLongMs)
  await nc.flush()
  process.kill(server.pid, 'SIGKILL')
  await server.exited
  expect(await underWay).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('lost') })
  const late = messages([1, 1]).map(message => ({ ...message, natsSubject: `${message.natsSubject}.late` }))
  expect(await link.publishBatch(late, unfenced, 20)).toMatchObject({
    kind: 'unknown',
    detail: expect.stringContaining('out of reach'),
  })
  const waiting = link.publishBatch(messages([2]), { lastSubjectSequence: 1 }, tooLongMs)
  server = await startNatsServer({ storeDir, port: server.port })
  expect(await waiting).toMatchObject({ kind: 'stored', seq: 2 })
  await until(async () => (await stored()) === 2)
})

test('after the client was closed a batch is out of reach', async () => {
  const link = publishLinkOf(nc)
  expect((await link.publishBatch(messages([1]), unfenced, tooLongMs)).kind).toBe('stored')
  await nc.close()
  await expect(link.publishBatch(messages([1]), unfenced, tooLongMs)).resolves.toMatchObject({
    kind: 'unknown',
  })
})
