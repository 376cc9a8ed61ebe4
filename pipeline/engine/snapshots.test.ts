// Snapshots against a real object store: which objects are written, joined, kept and deleted.

import { Objm } from '@nats-io/obj'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { snapshotBucket } from '../broker/topology.js'
import { defaultEngineLimits } from '../config/limits.js'
import type { Checkpoint } from '../ledger/checkpoint.js'
import { type Broker, startBroker } from '../testing/engine-harness.js'
import type { StateSnapshot } from '../workers/protocol.js'
import { type Manifest, SnapshotStore } from './snapshot.js'
import { Snapshots } from './snapshots.js'

let broker: Broker

beforeAll(async () => {
  broker = await startBroker(4)
})

afterAll(async () => {
  await broker.stop()
})

async function storeOf(partition: number): Promise<SnapshotStore> {
  return SnapshotStore.open(broker.nc, broker.bulk, partition, 1_000)
}

function taken(idBytes: number, newestDay: number, fill = newestDay): StateSnapshot {
  const pieces = idBytes === 0 ? [] : [new Uint8Array(idBytes).fill(fill)]
  const dedupe = { pieces, newestDay, forever: false, keptFromDay: newestDay - 36 }
  return { state: [Buffer.from(`state of day ${newestDay}`)], dedupe }
}

async function objectsOf(partition: number): Promise<string[]> {
  const store = await new Objm(broker.nc).open(snapshotBucket)
  const all = (await store.list()).filter(info => !info.deleted).map(info => info.name)
  return all.filter(name => name.startsWith(`p${partition}-`)).sort()
}

async function identitiesOf(store: SnapshotStore, manifest: Manifest): Promise<Buffer> {
  return Buffer.concat(await Promise.all(manifest.segments.map(({ object }) => store.read(object))))
}

test('a large segment is written once; small ones are joined with what follows', async () => {
  const store = await storeOf(0)
  let manifest: Manifest | undefined
  const written: Buffer[] = []
  for (const [n, bytes] of [50_000, 2_000, 3_000, 0, 4_000, 9_500].entries()) {
    const snapshot = taken(bytes, 100, n + 1)
    written.push(...snapshot.dedupe.pieces.map(piece => Buffer.from(piece)))
    manifest = (await store.put(1, n + 1, snapshot, manifest)).manifest
  }
  expect(manifest!.segments).toMatchObject([
    { object: 'p0-e1-1.ids', bytes: 50_000 },
    { object: 'p0-e1-6.ids', bytes: 18_500 },
  ])
  expect((await identitiesOf(store, manifest!)).equals(Buffer.concat(written))).toBe(true)
  expect(Buffer.from(await store.read(manifest!.state.object)).toString()).toBe('state of day 100')
})

test('a segment whose newest day is over is left out', async () => {
  const store = await storeOf(1)
  const first = await store.put(1, 1, taken(5_000, 100), undefined)
  const second = await store.put(1, 2, taken(1_000, 136), first.manifest)
  expect(second.manifest.segments.map(({ newest_day }) => newest_day)).toEqual([100, 136])
  const third = await store.put(1, 3, taken(500, 137), second.manifest)
  expect(third.manifest.segments.map(({ newest_day }) => newest_day)).toEqual([136, 137])
})

test('a later epoch deletes what its checkpoint does not name, segments of older snapshots stay', async () => {
  const store = await storeOf(2)
  const first = await store.put(1, 1, taken(5_000, 100), undefined)
  const second = await store.put(1, 2, taken(100, 100), first.manifest)
  await store.put(1, 3, taken(100, 100), second.manifest)
  await store.sweep(2, second.object)
  expect(await objectsOf(2)).toEqual(['p2-e1-1.ids', 'p2-e1-2', 'p2-e1-2.ids', 'p2-e1-2.state'])
  await expect(store.sweep(2, 'p2-e1-9')).rejects.toMatchObject({ code: 'snapshot_missing' })
  await store.sweep(3, undefined)
  expect(await objectsOf(2)).toEqual([])
})

test('a snapshot that takes longer than its commit is stored as well', async () => {
  const store = await storeOf(3)
  const limits = { ...defaultEngineLimits, snapshotDeltaBytes: 10 }
  const snapshots = new Snapshots(store, null, limits, trouble => expect.unreachable(trouble))
  const commit = (n: number) => snapshots.committed({ commit: n, snapshot: null } as Checkpoint, n * 10, 20)
  commit(1)
  expect(snapshots.due()).toBe(true)
  commit(2) // while the worker still writes the state of commit 2
  snapshots.taken(7, 2, taken(7_000, 100))
  while (snapshots.newest === undefined) await new Promise(resolve => setTimeout(resolve, 5))
  expect(snapshots.newest).toEqual({ object: 'p3-e7-2', commit: 2, ledger_seq: 20 })
  commit(3)
  expect(snapshots.due()).toBe(true)
})

test('a snapshot that could not be stored is stored later, with nothing lost', async () => {
  const store = await storeOf(3)
  const troubles: string[] = []
  const limits = { ...defaultEngineLimits, snapshotDeltaBytes: 10, retryMaxMs: 1 }
  const snapshots = new Snapshots(store, null, limits, trouble => troubles.push(trouble))
  snapshots.restored({ manifest: undefined, snapshot: undefined, deltas: [], deltaBytes: 0 })
  const put = store.put.bind(store)
  let refusals = 2
  store.put = async (...args) => {
    refusals -= 1
    if (refusals >= 0) throw new Error('no room')
    return put(...args)
  }
  const commit = (n: number) => snapshots.committed({ commit: n, snapshot: null } as Checkpoint, n * 10, 20)
  commit(1)
  expect(snapshots.due()).toBe(true)
  snapshots.taken(1, 2, taken(7_000, 100))
  for (let n = 2; snapshots.newest === undefined; n += 1) {
    commit(n)
    expect(snapshots.newest !== undefined || !snapshots.due()).toBe(true)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  expect(troubles).toEqual(Array(2).fill('the snapshot could not be stored: no room'))
  expect(snapshots.newest).toEqual({ object: 'p3-e1-2', commit: 2, ledger_seq: 20 })
  expect((await identitiesOf(store, await store.manifest('p3-e1-2'))).length).toBe(7_000)
})

test('partitions that grow alike take their snapshots at different times', async () => {
  const limits = { ...defaultEngineLimits, snapshotDeltaBytes: 100 }
  const store = await storeOf(4)
  const dueAfter = [0, 1, 2, 3].map(partition => {
    const snapshots = new Snapshots(
      store,
      null,
      limits,
      trouble => expect.unreachable(trouble),
      partition / 4,
    )
    for (let n = 1; ; n += 1) {
      snapshots.committed({ commit: n, snapshot: null } as Checkpoint, n * 10, 10)
      if (snapshots.due()) return n
    }
  })
  expect(dueAfter).toEqual([11, 13, 16, 18])
})

/** Entries of 26 bytes: a number as the identity, and a day. */
function entries(...all: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = Buffer.alloc(all.length * 26)
  all.forEach(([id, day], index) => {
    bytes.writeUInt32LE(id, index * 26)
    bytes.writeUInt16LE(day, index * 26 + 24)
  })
  return bytes
}

test('of a segment whose days are over the identities stay that are kept for ever, in their order', async () => {
  const store = await storeOf(3)
  const take = (day: number, isForever: boolean, ...all: readonly (readonly [number, number])[]) => ({
    state: [Buffer.from('state')],
    dedupe: { pieces: [entries(...all)], newestDay: day, forever: isForever, keptFromDay: day - 36 },
  })
  const forever = 0xffff
  let { manifest } = await store.put(1, 1, take(100, true, [1, 100], [2, forever], [3, 100]), undefined)
  manifest = (await store.put(1, 2, take(110, false, [4, 110], [5, 110]), manifest)).manifest
  manifest = (await store.put(1, 3, take(137, true, [6, 137], [7, forever]), manifest)).manifest
  const ids = async () => {
    const bytes = await identitiesOf(store, manifest)
    return Array.from({ length: bytes.length / 26 }, (_, i) => bytes.readUInt32LE(i * 26))
  }
  expect((await ids()).filter(id => id === 2 || id === 7)).toEqual([2, 7])
  manifest = (await store.put(1, 4, take(400, false, [8, 400]), manifest)).manifest
  expect((await ids()).filter(id => id !== 8)).toEqual([2, 7])
  manifest = (await store.put(1, 5, take(900, false, [9, 900]), manifest)).manifest
  expect((await ids()).filter(id => id < 8)).toEqual([2, 7])
  await store.sweep(2, 'p3-e1-5')
  expect((await ids()).filter(id => id < 8)).toEqual([2, 7])
})
