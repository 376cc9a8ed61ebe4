// The bucket `weir_genesis`: which streams and buckets were made, and the key that seals checkpoints.
//
// A stream that was lost, purged or made again looks like a new one. So a record of the installation is
// written at its first start; a stream that the record names and that is missing was lost.
// Invariants:
// 1. The record is written before the first stream is made, and never when streams exist already.
// 2. Once all streams and buckets are made, the record names each stream with its time of creation, and each
//    bucket. From then on Weir makes nothing again that the record names.
// 3. `born.<p>` is written once a partition's first checkpoint is stored, and before any input is processed.
// 4. The key never changes: Weir did not write a checkpoint that this key does not seal.

import { createHmac, randomBytes } from 'node:crypto'
import { JetStreamApiCodes, JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { z } from 'zod'

export const genesisBucket = 'weir_genesis'
const recordKey = 'installation'
const keyBytes = 32

const recordSchema = z.object({
  format: z.literal(1),
  /** The sealing key in base64. */
  key: z.string(),
  /** Whether all streams and buckets have been made; false during the first start. */
  made: z.boolean(),
  /** Name and time of creation. */
  streams: z.record(z.string(), z.string()),
  buckets: z.array(z.string()),
})

export type GenesisRecord = Readonly<z.infer<typeof recordSchema>>

export interface Genesis {
  readonly key: Uint8Array
  readonly streams: Readonly<Record<string, string>>
}

/** The record is gone or cannot be read: a lost stream can no longer be told from a new one. */
export class GenesisMissing extends Error {
  override readonly name = 'GenesisMissing'
}

/** Reads the record from the leader; callers who need it often keep it. Throws `GenesisMissing`. */
export async function genesisOf(jsm: JetStreamManager): Promise<Genesis> {
  const bytes = await readKey(jsm, recordKey)
  const record = bytes === undefined ? undefined : decode(bytes)
  if (record === undefined) {
    throw new GenesisMissing(
      `The bucket ${genesisBucket} does not say what this installation was made of. Restore it from a backup.`,
    )
  }
  return { key: Buffer.from(record.key, 'base64'), streams: record.streams }
}

/** Whether the partition has ever had a checkpoint. */
export async function wasBorn(jsm: JetStreamManager, partition: number): Promise<boolean> {
  return (await readKey(jsm, bornKey(partition))) !== undefined
}

export async function writeBirth(nc: NatsConnection, partition: number): Promise<void> {
  const kv = await new Kvm(nc).open(genesisBucket)
  await kv.put(bornKey(partition), JSON.stringify({ born_at: new Date().toISOString() }))
}

function bornKey(partition: number): string {
  return `born.${partition}`
}

/** Undefined when the key or the bucket does not exist. Not a direct get, which a replica may answer. */
async function readKey(jsm: JetStreamManager, key: string): Promise<Uint8Array | undefined> {
  try {
    const stored = await jsm.streams.getMessage(`KV_${genesisBucket}`, {
      last_by_subj: `$KV.${genesisBucket}.${key}`,
    })
    return stored === null || stored.data.length === 0 ? undefined : stored.data
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined
    throw error
  }
}

/** The record, for `ensureTopology` to read and complete. */
export class GenesisBook {
  record: GenesisRecord
  readonly #kv: KV
  #revision: number

  private constructor(kv: KV, record: GenesisRecord, revision: number) {
    this.#kv = kv
    this.record = record
    this.#revision = revision
  }

  /** Undefined when there is no record. */
  static async open(nc: NatsConnection, jsm: JetStreamManager): Promise<GenesisBook | undefined> {
    if ((await readKey(jsm, recordKey)) === undefined) return undefined
    const kv = await new Kvm(nc).open(genesisBucket)
    const entry = await kv.get(recordKey)
    const record = entry === null ? undefined : decode(entry.value)
    if (entry === null || record === undefined) throw new GenesisMissing(`${genesisBucket} cannot be read`)
    return new GenesisBook(kv, record, entry.revision)
  }

  /** Writes the first record. If another process was faster, opens the record of that process. */
  static async begin(nc: NatsConnection, jsm: JetStreamManager, replicas: number): Promise<GenesisBook> {
    const kv = await new Kvm(nc).create(genesisBucket, { replicas, history: 1, allow_direct: false })
    const key = randomBytes(keyBytes).toString('base64')
    const record: GenesisRecord = { format: 1, key, made: false, streams: {}, buckets: [] }
    try {
      return new GenesisBook(kv, record, await kv.create(recordKey, JSON.stringify(record)))
    } catch (error) {
      const theirs = await GenesisBook.open(nc, jsm)
      if (theirs === undefined) throw error
      return theirs
    }
  }

  /** Records that all streams and buckets exist (invariant 2). Does nothing if the record says so already. */
  async complete(streams: Readonly<Record<string, string>>, buckets: readonly string[]): Promise<void> {
    for (;;) {
      const { record } = this
      const next = {
        ...record,
        made: true,
        streams: { ...streams, ...record.streams },
        buckets: [...new Set([...record.buckets, ...buckets])],
      }
      if (JSON.stringify(next) === JSON.stringify(record)) return
      try {
        this.#revision = await this.#kv.update(recordKey, JSON.stringify(next), this.#revision)
        this.record = next
        return
      } catch (error) {
        await this.#readAgain(error) // another process completed it
      }
    }
  }

  /** Removes a lost bucket from the record: the next start makes an empty one. */
  async forget(bucket: string): Promise<void> {
    const next = { ...this.record, buckets: this.record.buckets.filter(name => name !== bucket) }
    this.#revision = await this.#kv.update(recordKey, JSON.stringify(next), this.#revision)
    this.record = next
  }

  async #readAgain(cause: unknown): Promise<void> {
    const entry = await this.#kv.get(recordKey)
    const record = entry === null ? undefined : decode(entry.value)
    if (entry === null || record === undefined || entry.revision === this.#revision) throw cause
    this.record = record
    this.#revision = entry.revision
  }
}

function decode(bytes: Uint8Array): GenesisRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
  } catch {
    return undefined
  }
}

const sealPattern = /,"seal":"([\w-]{43})"\}$/
/** `,"seal":"<43>"}` */
const sealLength = 54

/** The JSON of an object, with the seal by this key as its last member. */
export function sealJson(value: object, key: Uint8Array): Buffer {
  const text = JSON.stringify(value)
  return Buffer.from(`${text.slice(0, -1)},"seal":"${sealOf(text, key)}"}`, 'utf8')
}

/** The sealed object; undefined when this key did not seal these bytes. */
export function openSealed(bytes: Uint8Array, key: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const seal = sealPattern.exec(text.slice(-sealLength))?.[1]
  if (seal === undefined) return undefined
  const body = `${text.slice(0, -sealLength)}}`
  return sealOf(body, key) === seal ? JSON.parse(body) : undefined
}

function sealOf(text: string, key: Uint8Array): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}
