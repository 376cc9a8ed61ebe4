// The streams and buckets on a real broker: made once, held to what was made, refused when they differ.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { customerToken, partitionOf } from '../../schemas/identifiers.js'
import { genesisBucket } from './genesis.js'
import { ensureTopology, keyValueBuckets, snapshotBucket, streamNames } from './topology.js'
import { TopologyError } from './topology-error.js'

const partitions = 7
let storeDir: string
let server: NatsServer
let nc: NatsConnection
let js: JetStreamClient

beforeAll(async () => {
  storeDir = await mkdtemp(join(tmpdir(), 'weir-topology-'))
  server = await startNatsServer({ storeDir })
  nc = await connect({ ...server.login() })
  js = jetstream(nc)
})

afterAll(async () => {
  await nc?.close()
  await server?.stop()
  await rm(storeDir, { recursive: true, force: true })
})

test('everything is made once, and making it again changes nothing', async () => {
  const first = await ensureTopology(nc, { partitions })
  const again = await Promise.all([ensureTopology(nc, { partitions }), ensureTopology(nc, { partitions })])
  for (const name of streamNames) {
    expect(first[name].config.metadata?.['weir.partitions']).toBe('7')
    expect(first[name].config.max_age).toBe(0)
    for (const other of again) expect(other[name].created).toBe(first[name].created)
  }
  expect(first.LEDGER.config.allow_atomic).toBe(true)
  const jsm = await jetstreamManager(nc)
  const names: string[] = []
  for await (const stream of jsm.streams.list()) names.push(stream.config.name)
  expect(names.sort()).toEqual(
    [
      ...streamNames,
      `OBJ_${snapshotBucket}`,
      ...[...keyValueBuckets, genesisBucket].map(bucket => `KV_${bucket}`),
    ].sort(),
  )
})

test('another number of partitions is refused with the number that is there', async () => {
  const refusal = await ensureTopology(nc, { partitions: 8 }).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(TopologyError)
  expect(refusal).toMatchObject({ code: 'partition_count_differs' })
  expect(String(refusal)).toContain('set partitions: 7')
})

test('a message for a partition that does not exist is refused', async () => {
  await ensureTopology(nc, { partitions })
  await expect(js.publish(`metering.${partitions}.gateway`, 'x', { timeout: 2_000 })).rejects.toThrow()
  expect((await js.publish(`metering.${partitions - 1}.gateway`, 'x')).stream).toBe('METERING')
})

test('what an operator tuned stays', async () => {
  const jsm = await jetstreamManager(nc)
  await jsm.streams.update('CATALOG', { description: 'tuned', max_bytes: 1 << 30 })
  await ensureTopology(nc, { partitions })
  expect((await jsm.streams.info('CATALOG')).config.max_bytes).toBe(1 << 30)
})

test('the broker puts a customer into the partition that partitionOf says', async () => {
  await ensureTopology(nc, { partitions })
  const jsm = await jetstreamManager(nc)
  const customers = [
    ...fc.sample(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), { numRuns: 150, seed: 7 }),
    ...fc.sample(fc.uuid(), { numRuns: 50, seed: 8 }),
    'cus_1',
    'a.b>c*',
    'Zürich & Söhne',
    '顧客-1',
    '🧾',
    '=41',
    ' ',
  ]
  for (const customer of customers) {
    const ack = await js.publish(`usage.${customerToken(customer)}`, customer)
    const stored = await jsm.streams.getMessage('METERING', { seq: ack.seq })
    expect(stored?.subject).toBe(`metering.${partitionOf(customer, partitions)}.${customerToken(customer)}`)
  }
})

test('whatever lies under usage and changes is taken by one stream, and a subject of several tokens by UNPLACED', async () => {
  await ensureTopology(nc, { partitions })
  for (const root of ['usage', 'changes']) {
    const single = root === 'usage' ? 'METERING' : 'LIFECYCLE'
    for (const tail of ['acme', 'jane@acme', 'Zürich', 'a=b'])
      expect(await js.publish(`${root}.${tail}`, tail), tail).toMatchObject({ stream: single })
    for (const tail of ['acme.eu', 'jane@acme.com', 'a.b.c.d.e.f'])
      expect(await js.publish(`${root}.${tail}`, tail), tail).toMatchObject({ stream: 'UNPLACED' })
  }
})
