// Snapshots of a partition's state in the object store: a manifest, the state without the dedupe table, and
// the dedupe table as segments. A segment is written once and named by many manifests.
//
//   p<partition>-e<epoch>-<commit>            manifest: JSON, the names of the other objects
//   p<partition>-e<epoch>-<commit>.state      all maps and counters, as of the commit
//   p<partition>-e<epoch>-<commit>.ids        a segment: the identities since the segment before
//   p<partition>-e<epoch>-<commit>.kept.ids   a segment: older identities that are kept for ever
// Invariants:
// 1. The manifest is written last; a snapshot is read only once a committed checkpoint names its manifest.
// 2. Names hold the epoch, so two processes never write the same object.
// 3. An object is deleted only after a checkpoint whose manifest does not name it was committed, or by a
//    later epoch whose checkpoint does not name it.
// 4. The segments of a manifest, in their order, hold every identity that is still needed to find duplicates
//    (pipeline/core/state/dedupe-table.ts).
//
// A new segment is joined with the one before it if that is no larger and both fit into a full segment, so
// there are few segments. A segment is dropped when its newest day is over; its identities that are kept for
// ever are written to a new segment first.

import { type ObjectStore, Objm, setSha256Backend } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { snapshotBucket } from '../broker/topology.js'
import { forever, foreverEntries } from '../core/state/dedupe-table.js'
import { PartitionFailure } from '../ledger/failures.js'
import type { StateSnapshot } from '../workers/protocol.js'
import { ObjectWriter } from './object-writer.js'

/** The client hashes every object that it reads; its default is JavaScript on the main thread. */
setSha256Backend('native')

/** Segments are joined only up to this size. */
const fullSegmentBytes = 64 << 20

const count = z.int().nonnegative()
const manifestSchema = z.object({
  format: z.literal(2),
  state: z.object({ object: z.string(), bytes: count }),
  /** `forever`: some of its identities are kept after its newest day is over. */
  segments: z.array(z.object({ object: z.string(), bytes: count, newest_day: count, forever: z.boolean() })),
})

export type Manifest = Readonly<z.infer<typeof manifestSchema>>

export class SnapshotReader {
  readonly #store: ObjectStore
  readonly #partition: number

  constructor(store: ObjectStore, partition: number) {
    this.#store = store
    this.#partition = partition
  }

  async manifest(object: string): Promise<Manifest> {
    const text = Buffer.from(await this.read(object)).toString('utf8')
    const parsed = manifestSchema.safeParse(parsedJson(text))
    if (parsed.success) return parsed.data
    throw new PartitionFailure(
      'snapshot_missing',
      `The snapshot ${object} of partition ${this.#partition} cannot be read: it was written by another version of Weir.`,
    )
  }

  async read(object: string): Promise<Uint8Array> {
    const bytes = await this.#store.getBlob(object)
    if (bytes !== null) return bytes
    const detail = `The object ${object} of the snapshot of partition ${this.#partition} is gone. Restore the object store ${snapshotBucket} from a backup.`
    throw new PartitionFailure('snapshot_missing', detail)
  }
}

export async function openSnapshots(nc: NatsConnection, partition: number): Promise<SnapshotReader> {
  return new SnapshotReader(await new Objm(nc).open(snapshotBucket), partition)
}

export class SnapshotStore extends SnapshotReader {
  readonly #store: ObjectStore
  readonly #writer: ObjectWriter
  readonly #partition: number
  readonly #chunkBytes: number

  static async open(
    nc: NatsConnection,
    bulk: BulkTransport,
    partition: number,
    chunkBytes: number,
  ): Promise<SnapshotStore> {
    const store = await new Objm(nc).open(snapshotBucket)
    const writer = await ObjectWriter.open(nc, bulk, store, snapshotBucket)
    return new SnapshotStore(store, writer, partition, chunkBytes)
  }

  private constructor(store: ObjectStore, writer: ObjectWriter, partition: number, chunkBytes: number) {
    super(store, partition)
    this.#store = store
    this.#writer = writer
    this.#partition = partition
    this.#chunkBytes = chunkBytes
  }

  /** Stores the state as it was after `commit`, behind the segments of the manifest before it. */
  async put(
    epoch: number,
    commit: number,
    taken: StateSnapshot,
    before: Manifest | undefined,
  ): Promise<{ readonly object: string; readonly manifest: Manifest }> {
    const object = `p${this.#partition}-e${epoch}-${commit}` // invariant 2
    const { newestDay, keptFromDay } = taken.dedupe
    const segments = await this.#segmentsKept(object, before, keptFromDay)
    let keepsForever = taken.dedupe.forever
    const pieces = [...taken.dedupe.pieces]
    let bytes = lengthOf(pieces)
    for (
      let last = segments.at(-1);
      bytes > 0 && last !== undefined && last.bytes <= bytes && last.bytes + bytes <= fullSegmentBytes;
      last = segments.at(-1)
    ) {
      pieces.unshift(await this.read(last.object))
      bytes += last.bytes
      keepsForever ||= last.forever
      segments.pop()
    }
    if (bytes > 0) {
      await this.#write(`${object}.ids`, pieces)
      segments.push({ object: `${object}.ids`, bytes, newest_day: newestDay, forever: keepsForever })
    }
    await this.#write(`${object}.state`, taken.state)
    const state = { object: `${object}.state`, bytes: lengthOf(taken.state) }
    const manifest: Manifest = { format: 2, state, segments }
    await this.#write(object, [Buffer.from(JSON.stringify(manifest), 'utf8')]) // invariant 1
    return { object, manifest }
  }

  /** The segments whose days are not over, and one with the kept-for-ever identities of the others. */
  async #segmentsKept(
    object: string,
    before: Manifest | undefined,
    keptFromDay: number,
  ): Promise<Manifest['segments'][number][]> {
    const all = before?.segments ?? []
    const isKept = (segment: Manifest['segments'][number]) => segment.newest_day >= keptFromDay
    const kept = all.filter(isKept)
    const over = all.filter(segment => !isKept(segment) && segment.forever)
    if (over.length === 0) return kept
    const isSmallRest = ({ newest_day, bytes }: Manifest['segments'][number]) =>
      newest_day === forever && bytes < fullSegmentBytes
    over.unshift(...kept.filter(isSmallRest)) // earlier segments of this kind
    const pieces: Uint8Array[] = []
    for (const segment of over) pieces.push(foreverEntries(await this.read(segment.object)))
    const name = `${object}.kept.ids`
    await this.#write(name, pieces)
    const rest = { object: name, bytes: lengthOf(pieces), newest_day: forever, forever: true }
    // In the order of the identities: full segments of kept ones, the new one, then the segments with days.
    const rests = kept.filter(segment => segment.newest_day === forever && !isSmallRest(segment))
    return [...rests, rest, ...kept.filter(segment => segment.newest_day !== forever)]
  }

  async delete(objects: readonly string[]): Promise<void> {
    for (const object of objects) await this.#store.delete(object)
  }

  /** Deletes objects of earlier epochs, but for those of `named`, the claimed checkpoint's manifest. */
  async sweep(epoch: number, named: string | undefined): Promise<void> {
    const kept = new Set(named === undefined ? [] : objectsOf(named, await this.manifest(named)))
    const mine = new RegExp(`^p${this.#partition}-e(\\d+)-\\d+(\\.state|\\.ids|\\.kept\\.ids)?$`)
    for (const info of await this.#store.list()) {
      const made = mine.exec(info.name)
      if (made === null || kept.has(info.name) || info.deleted) continue
      if (Number(made[1]) < epoch) await this.#store.delete(info.name) // invariant 3
    }
  }

  async #write(name: string, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#writer.write(name, pieces, this.#chunkBytes)
  }
}

/** Every object that a manifest names, and the manifest itself. */
export function objectsOf(object: string, manifest: Manifest): readonly string[] {
  return [object, manifest.state.object, ...manifest.segments.map(segment => segment.object)]
}

export function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // the schema refuses it
  }
}
