// Keeps what systems say of objects in the bucket `weir_arrivals`: `owned.*` an object with its claims, `conflict.*` where two
// systems disagree on it, for lists.
// Invariants:
// 1. A claim is on disk before what is made of it is published, on top of the revision that was read: of two sources at the same
//    time the second sees what the first said.
// 2. The entry of conflicts follows its object: whoever wrote it looks again whether the object has gone on, and what is told again
//    after a crash mends it. Without conflicts there is no entry.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { conflictKeys, type ObjectConflicts, objectConflictsSchema } from '../../../schemas/owner-conflict.js'
import { bucketKeys } from '../../broker/bucket-keys.js'
import { isWrongRevision, writeOver } from '../../broker/wrong-revision.js'
import { arrivalToken } from '../arrival-log.js'
import {
  type ClaimedObject,
  claimedObjectSchema,
  type SettledConflict,
  withClaim,
  withSettled,
} from './claimed-object.js'
import type { ObjectClaim } from './object-claim.js'
import type { OwnedObject, OwnerRule } from './owner-rules.js'

export interface ConflictsPage {
  readonly objects: readonly ObjectConflicts[]
  /** The key after which the next page begins; undefined: there is no more. */
  readonly next: string | undefined
}

const readAtOnce = 64
const markerTtl = '60s'

export class ObjectClaims {
  readonly #kv: KV
  readonly #rules: readonly OwnerRule[]

  constructor(kv: KV, rules: readonly OwnerRule[]) {
    this.#kv = kv
    this.#rules = rules
  }

  async read(object: OwnedObject, id: string): Promise<ClaimedObject | undefined> {
    return (await this.#read(object, id)).claimed
  }

  /** The object with this claim of a system. `since`: when a conflict that it makes began. */
  async keep(claim: ObjectClaim, system: string, since: string): Promise<ClaimedObject> {
    const { object, id } = claim
    for (;;) {
      const { claimed: before, revision } = await this.#read(object, id)
      const after = withClaim(before, claim, system, this.#rules, since)
      const isKept = after === before || (await this.#write(after, revision))
      if (!isKept) continue
      const had = after === before ? 1 : (before?.conflicts.length ?? 0) // told again, perhaps after a crash
      if (after.conflicts.length > 0 || had > 0) await this.#tell(object, id)
      return after
    }
  }

  /** The object with what somebody decided of it; undefined: there is no such object, or `decide` finds nothing to be decided. */
  async settle(
    object: OwnedObject,
    id: string,
    decide: (claimed: ClaimedObject) => SettledConflict | undefined,
    since: string,
  ): Promise<ClaimedObject | undefined> {
    for (;;) {
      const { claimed: before, revision } = await this.#read(object, id)
      const decided = before === undefined ? undefined : decide(before)
      if (before === undefined || decided === undefined) return undefined
      const after = withSettled(before, decided, this.#rules, since)
      if (after !== before && !(await this.#write(after, revision))) continue
      await this.#tell(object, id)
      return after
    }
  }

  /** Objects with conflicts in the order of their keys, until there are `most` of them. */
  async conflicts(jsm: JetStreamManager, after: string, most: number): Promise<ConflictsPage> {
    const keys = (await bucketKeys(jsm, 'weir_arrivals', conflictKeys)).filter(key => key > after)
    const objects: ObjectConflicts[] = []
    for (let from = 0; from < keys.length; from += readAtOnce) {
      const some = keys.slice(from, from + Math.min(readAtOnce, most - objects.length))
      const entries = await Promise.all(some.map(key => this.#kv.get(key)))
      for (const entry of entries)
        if (entry !== null && entry.operation === 'PUT')
          objects.push(objectConflictsSchema.parse(entry.json()))
      const isLast = from + some.length >= keys.length
      if (objects.length >= most || isLast) return { objects, next: isLast ? undefined : some.at(-1) }
      from += some.length - readAtOnce
    }
    return { objects, next: undefined }
  }

  #write(claimed: ClaimedObject, revision: number): Promise<boolean> {
    return writeOver(this.#kv, keyOf('owned', claimed.object, claimed.id), JSON.stringify(claimed), revision)
  }

  async #tell(object: OwnedObject, id: string): Promise<void> {
    const key = keyOf('conflict', object, id)
    for (;;) {
      const entry = await this.#kv.get(key)
      const isThere = entry !== null && entry.operation === 'PUT'
      const told = isThere ? objectConflictsSchema.parse(entry.json()) : undefined
      const { claimed } = await this.#read(object, id) // invariant 2: read after the entry that is written over
      if (claimed === undefined) return
      const { customer_id, written, conflicts } = claimed
      if (told === undefined ? conflicts.length === 0 : told.written === written && conflicts.length > 0)
        return
      if (conflicts.length === 0) await this.#take(key, entry?.revision ?? 0)
      else {
        const next: ObjectConflicts = { object, id, customer_id, written, conflicts }
        await writeOver(this.#kv, key, JSON.stringify(next), entry?.revision ?? 0)
      }
    }
  }

  async #take(key: string, previousSeq: number): Promise<void> {
    try {
      await this.#kv.purge(key, { ttl: markerTtl, previousSeq })
    } catch (error) {
      if (!isWrongRevision(error)) throw error
    }
  }

  async #read(object: OwnedObject, id: string) {
    const entry = await this.#kv.get(keyOf('owned', object, id))
    const isThere = entry !== null && entry.operation === 'PUT'
    return {
      claimed: isThere ? claimedObjectSchema.parse(entry.json()) : undefined,
      revision: entry?.revision ?? 0,
    }
  }
}

function keyOf(what: 'owned' | 'conflict', object: OwnedObject, id: string): string {
  return `${what}.${object}.${arrivalToken(id)}`
}
