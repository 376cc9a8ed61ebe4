// Objects that we write, read by the client, which checks their digests.

import { type ObjectStore, Objm } from '@nats-io/obj'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { snapshotBucket } from '../broker/topology.js'
import { type Broker, connectTo, startBroker } from '../testing/engine-harness.js'
import { lossyProxy } from '../testing/lossy-proxy.js'
import { ObjectWriter } from './object-writer.js'

let broker: Broker
let store: ObjectStore
let writer: ObjectWriter

beforeAll(async () => {
  broker = await startBroker(1)
  store = await new Objm(broker.nc).open(snapshotBucket)
  writer = await ObjectWriter.open(broker.nc, broker.bulk, store, snapshotBucket)
})

afterAll(async () => {
  await broker.stop()
})

const bytesOf = (length: number, from: number) => Uint8Array.from({ length }, (_, i) => (from + i) & 255)

/** Messages of the bucket: chunks and entries. */
async function messages(): Promise<number> {
  return (await broker.jsm.streams.info(`OBJ_${snapshotBucket}`)).state.messages
}

test('the client reads what was written, whatever its pieces, and finds it as its own', async () => {
  const pieces = [bytesOf(2_500, 1), bytesOf(10, 2), new Uint8Array(), bytesOf(1_000, 3)]
  await writer.write('p0-e1-7.ids', pieces, 1_000)
  await writer.write('empty', [], 1_000)
  await store.put({ name: 'theirs', options: { max_chunk_size: 1_000 } }, new Blob(pieces).stream() as never)
  expect(Buffer.from((await store.getBlob('p0-e1-7.ids'))!).equals(Buffer.concat(pieces))).toBe(true)
  expect(await store.getBlob('empty')).toHaveLength(0)
  const [ours, theirs] = [await store.info('p0-e1-7.ids'), await store.info('theirs')]
  expect(ours).toMatchObject({ size: 3_510, chunks: 5, digest: theirs!.digest, deleted: false })
  expect((await store.list()).map(({ name }) => name).sort()).toEqual(['empty', 'p0-e1-7.ids', 'theirs'])
})

test('an object takes the place of the one before it, and goes when the client deletes it', async () => {
  await writer.write('again', [bytesOf(5_000, 1)], 1_000)
  const before = await messages()
  await writer.write('again', [bytesOf(3_000, 9)], 1_000)
  expect(await messages()).toBe(before - 2)
  expect(Buffer.from((await store.getBlob('again'))!).equals(Buffer.from(bytesOf(3_000, 9)))).toBe(true)
  await store.delete('again')
  expect(await store.getBlob('again')).toBeNull()
})

test('an object whose chunk is lost on the way is not there, and leaves nothing behind', async () => {
  let chunks = 0
  const proxy = await lossyProxy(broker.server.port, {
    sent: () => {
      chunks += 1
      return chunks === 3 ? 'cut_before' : 'passes'
    },
  })
  const lossy = await connectTo({ ...broker.server.login(), servers: proxy.servers })
  try {
    const before = await messages()
    const cut = await ObjectWriter.open(broker.nc, lossy.bulk, store, snapshotBucket)
    await expect(cut.write('cut', [bytesOf(5_000, 1)], 1_000)).rejects.toThrow(/chunk was not stored/)
    expect(await store.info('cut')).toBeNull()
    expect(await messages()).toBe(before)
    await cut.write('cut', [bytesOf(5_000, 1)], 1_000)
    expect((await store.getBlob('cut'))?.length).toBe(5_000)
  } finally {
    await lossy.nc.close()
    await proxy.close()
  }
})
