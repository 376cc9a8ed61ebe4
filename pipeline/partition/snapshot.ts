// Snapshots of a partition's state in the object store.
//
// Invariants:
// 1. A snapshot counts only once a committed checkpoint names it; before that it is an object that nobody reads.
// 2. The name holds the epoch, so two processes never write the same object.
// 3. A snapshot is deleted only after a later one was committed, or by a later epoch that does not name it.

import { ReadableStream } from 'node:stream/web'
import { type ObjectStore, Objm } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import { snapshotBucket } from '../topology.js'
import type { SnapshotRef } from './checkpoint.js'
import { PartitionFailure } from './failures.js'

export class SnapshotStore {
  readonly #store: ObjectStore
  readonly #partition: number
  readonly #chunkBytes: number

  static async open(nc: NatsConnection, partition: number, chunkBytes: number): Promise<SnapshotStore> {
    return new SnapshotStore(await new Objm(nc).open(snapshotBucket), partition, chunkBytes)
  }

  private constructor(store: ObjectStore, partition: number, chunkBytes: number) {
    this.#store = store
    this.#partition = partition
    this.#chunkBytes = chunkBytes
  }

  /** Stores the state as it was after `commit`. Returns the object's name. */
  async put(epoch: number, commit: number, bytes: Uint8Array): Promise<string> {
    const name = `p${this.#partition}-e${epoch}-${commit}` // invariant 2
    const meta = { name, options: { max_chunk_size: this.#chunkBytes } }
    await this.#store.put(meta, pieces(bytes, this.#chunkBytes) as Parameters<ObjectStore['put']>[1])
    return name
  }

  async get(ref: SnapshotRef): Promise<Uint8Array> {
    const bytes = await this.#store.getBlob(ref.object)
    if (bytes === null) {
      const detail = `The snapshot ${ref.object} of partition ${this.#partition} is gone. Restore the object store ${snapshotBucket} from a backup.`
      throw new PartitionFailure('snapshot_missing', detail)
    }
    return bytes
  }

  async delete(name: string): Promise<void> {
    await this.#store.delete(name)
  }

  /** Deletes what earlier epochs left behind. `keep`: the one that the claimed checkpoint names. */
  async sweep(epoch: number, keep: string | undefined): Promise<void> {
    const mine = new RegExp(`^p${this.#partition}-e(\\d+)-\\d+$`)
    for (const info of await this.#store.list()) {
      const made = mine.exec(info.name)
      if (made === null || info.name === keep || info.deleted) continue
      if (Number(made[1]) < epoch) await this.#store.delete(info.name) // invariant 3
    }
  }
}

function pieces(bytes: Uint8Array, pieceBytes: number): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < bytes.length) controller.enqueue(bytes.subarray(at, at + pieceBytes))
        at += pieceBytes
        if (at >= bytes.length) controller.close()
      },
    },
    { highWaterMark: 1 },
  )
}
