// The keys of customers, on the stream PERSONAL_KEYS: one subject per customer, made when the first personal value of the
// customer comes. A customer's subject is a hash of the id, so that the stream names nobody.
// Invariants:
// 1. Every write names the last sequence of its subject, so two processes never make two keys of one generation.
// 2. An erased key is overwritten on the broker's disk. A record says that it was erased, and when; what comes later gets a
//    key of the next generation.
// 3. A key that was erased elsewhere is used for at most `trustedMs` more; what it seals in that time nobody can open.

import { createHash, randomBytes } from 'node:crypto'
import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import { z } from 'zod'
import { natsSubjects } from '../broker/topology.js'
import { keyBytes, SealingKey } from './sealing-key.js'

const stream = 'PERSONAL_KEYS'
const trustedMs = 10_000
const mostKept = 50_000
const lookUpsAtOnce = 64

const recordSchema = z.union([
  z.strictObject({ generation: z.int().min(1), key: z.base64(), made_at: z.iso.datetime() }),
  z.strictObject({ generation: z.int().min(0), erased_at: z.iso.datetime() }),
])

export interface Erasure {
  /** Null: the customer never had a key, so that nothing was sealed. */
  readonly generation: number | null
  readonly erasedAt: string | null
  /** The key was erased before. */
  readonly wasErased: boolean
}

export class CustomerKeys {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #nowMs: () => number
  /** By subject; the one used last is the last. */
  readonly #kept = new Map<string, { readonly key: SealingKey; readonly untilMs: number }>()

  constructor(js: JetStreamClient, jsm: JetStreamManager, nowMs: () => number = Date.now) {
    this.#js = js
    this.#jsm = jsm
    this.#nowMs = nowMs
  }

  /** A key for each customer; makes those that are missing. */
  async keysFor(customerIds: Iterable<string>): Promise<ReadonlyMap<string, SealingKey>> {
    const wanted = [...new Set(customerIds)]
    const keys = new Map<string, SealingKey>()
    for (let from = 0; from < wanted.length; from += lookUpsAtOnce) {
      const some = wanted.slice(from, from + lookUpsAtOnce)
      const found = await Promise.all(some.map(customerId => this.#keyFor(subjectOf(customerId))))
      for (const [index, customerId] of some.entries()) keys.set(customerId, found[index]!)
    }
    return keys
  }

  /** The customer's key; undefined when there is none, or no more. */
  async find(customerId: string): Promise<SealingKey | undefined> {
    const last = await this.#last(subjectOf(customerId))
    return last === undefined ? undefined : keyOf(last)
  }

  /** Destroys the customer's key. Doing it again completes what was interrupted, and changes nothing else. */
  async erase(customerId: string): Promise<Erasure> {
    const natsSubject = subjectOf(customerId)
    for (;;) {
      const last = await this.#last(natsSubject)
      if (last === undefined) return { generation: null, erasedAt: null, wasErased: false }
      const record = recordOf(last)
      if ('erased_at' in record) {
        await this.#overwriteBefore(natsSubject, last.seq)
        return { generation: record.generation, erasedAt: record.erased_at, wasErased: true }
      }
      const erasedAt = new Date(this.#nowMs()).toISOString()
      const seq = await this.#put(
        natsSubject,
        { generation: record.generation, erased_at: erasedAt },
        last.seq,
      )
      this.#kept.delete(natsSubject)
      if (seq === undefined) continue // another process wrote
      await this.#overwriteBefore(natsSubject, seq)
      return { generation: record.generation, erasedAt, wasErased: false }
    }
  }

  async #keyFor(natsSubject: string): Promise<SealingKey> {
    const kept = this.#kept.get(natsSubject)
    if (kept !== undefined && kept.untilMs > this.#nowMs()) return kept.key
    for (;;) {
      const last = await this.#last(natsSubject)
      const known = last === undefined ? undefined : keyOf(last)
      if (known !== undefined) return this.#keep(natsSubject, known)
      const generation = last === undefined ? 1 : recordOf(last).generation + 1
      const bytes = randomBytes(keyBytes)
      const record = {
        generation,
        key: bytes.toString('base64'),
        made_at: new Date(this.#nowMs()).toISOString(),
      }
      const seq = await this.#put(natsSubject, record, last?.seq ?? 0)
      if (seq !== undefined) return this.#keep(natsSubject, new SealingKey(generation, bytes))
    }
  }

  #keep(natsSubject: string, key: SealingKey): SealingKey {
    this.#kept.delete(natsSubject)
    this.#kept.set(natsSubject, { key, untilMs: this.#nowMs() + trustedMs })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest)
    return key
  }

  async #last(natsSubject: string): Promise<StoredMsg | undefined> {
    return (await this.#jsm.streams.getMessage(stream, { last_by_subj: natsSubject })) ?? undefined
  }

  /** The sequence of the record; undefined when another was written meanwhile. */
  async #put(
    natsSubject: string,
    record: z.input<typeof recordSchema>,
    lastSequence: number,
  ): Promise<number | undefined> {
    try {
      const expect = { lastSubjectSequence: lastSequence }
      return (await this.#js.publish(natsSubject, JSON.stringify(record), { expect })).seq
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamWrongLastSequence)
        return undefined
      throw error
    }
  }

  /** Overwrites and removes the records of the subject before a sequence: there is at most one. */
  async #overwriteBefore(natsSubject: string, sequence: number): Promise<void> {
    // The server's API takes both; the client's type names `seq` alone.
    const firstOfSubject = { seq: 1, next_by_subj: natsSubject }
    for (;;) {
      const first = await this.#jsm.streams.getMessage(stream, firstOfSubject)
      if (first === null || first.seq >= sequence) return
      await this.#jsm.streams.deleteMessage(stream, first.seq, true).catch((error: unknown) => {
        if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.NoMessageFound)
          throw error
      })
    }
  }
}

function subjectOf(customerId: string): string {
  return natsSubjects.personalKey(createHash('sha256').update(customerId).digest('base64url'))
}

function recordOf(message: StoredMsg): z.output<typeof recordSchema> {
  return recordSchema.parse(message.json())
}

function keyOf(message: StoredMsg): SealingKey | undefined {
  const record = recordOf(message)
  return 'key' in record ? new SealingKey(record.generation, Buffer.from(record.key, 'base64')) : undefined
}
