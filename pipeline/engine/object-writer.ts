// Writes objects of the object store: chunks first, then the entry that names them. The client does the same
// but copies each chunk four times; it does everything else about objects. Format:
// https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-20.md
//
// Invariants:
// 1. An object exists once its entry does; the entry is written last and has the digest of all chunks.
// 2. The bytes stay untouched until `write` has returned or thrown.

import { createHash } from 'node:crypto'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { ObjectStore } from '@nats-io/obj'
import { headers, type NatsConnection, nuid } from '@nats-io/transport-node'
import { publishOne } from '../broker/atomic-batch.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { RetryableError } from '../ledger/failures.js'

const timeoutMs = 10_000

export class ObjectWriter {
  readonly #store: ObjectStore
  readonly #bucket: string
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #bulk: BulkTransport

  static async open(
    nc: NatsConnection,
    bulk: BulkTransport,
    store: ObjectStore,
    bucket: string,
  ): Promise<ObjectWriter> {
    return new ObjectWriter(jetstream(nc), await jetstreamManager(nc), bulk, store, bucket)
  }

  private constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    bulk: BulkTransport,
    store: ObjectStore,
    bucket: string,
  ) {
    this.#store = store
    this.#bucket = bucket
    this.#js = js
    this.#jsm = jsm
    this.#bulk = bulk
  }

  /** Writes the pieces as one object, and replaces the object that had this name. */
  async write(name: string, pieces: readonly Uint8Array[], chunkBytes: number): Promise<void> {
    const before = await this.#store.info(name)
    const id = nuid.next()
    try {
      const written = await this.#writeChunks(id, pieces, chunkBytes)
      await this.#writeEntry(name, { ...written, nuid: id, options: { max_chunk_size: chunkBytes } })
    } catch (error) {
      await this.#deleteChunks(id).catch(() => undefined) // the first error is the one to tell
      throw error
    }
    if (before !== null) await this.#deleteChunks(before.nuid).catch(() => undefined) // nobody reads them any more
  }

  async #writeChunks(
    id: string,
    pieces: readonly Uint8Array[],
    chunkBytes: number,
  ): Promise<{ readonly size: number; readonly chunks: number; readonly digest: string }> {
    const digest = createHash('sha256')
    let size = 0
    let chunks = 0
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; at += chunkBytes) {
        const bytes = piece.subarray(at, at + chunkBytes)
        digest.update(bytes)
        size += bytes.length
        chunks += 1
        const outcome = await publishOne(this.#bulk, { natsSubject: this.#chunksOf(id), bytes }, timeoutMs)
        if (outcome.kind !== 'stored') throw new RetryableError(`a chunk was not stored: ${outcome.detail}`)
      }
    }
    return { size, chunks, digest: `SHA-256=${padded(digest.digest('base64url'))}` }
  }

  async #writeEntry(name: string, written: object): Promise<void> {
    const entry = { name, bucket: this.#bucket, mtime: new Date().toISOString(), deleted: false, ...written }
    const natsSubject = `$O.${this.#bucket}.M.${padded(Buffer.from(name).toString('base64url'))}`
    const head = headers()
    head.set('Nats-Rollup', 'sub')
    await this.#js.publish(natsSubject, JSON.stringify(entry), { headers: head, timeout: timeoutMs })
  }

  async #deleteChunks(id: string): Promise<void> {
    await this.#jsm.streams.purge(`OBJ_${this.#bucket}`, { filter: this.#chunksOf(id) })
  }

  #chunksOf(id: string): string {
    return `$O.${this.#bucket}.C.${id}`
  }
}

/** Adds the `=` at the end of base64, which Node leaves out and the client's names and digests have. */
function padded(base64url: string): string {
  return base64url.padEnd(Math.ceil(base64url.length / 4) * 4, '=')
}
