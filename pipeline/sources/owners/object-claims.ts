// Keeps what systems say of objects in the bucket `weir_arrivals`: `owned.*` an object with its claims, `conflict.*` where two
// systems disagree on it.
// Invariants:
// 1. A claim is on disk before what is made of it is published, on top of the revision that was read: of two sources at the same
//    time the second sees what the first said.
// 2. The entry of conflicts follows its object and is never older than one that was written before.

import type { KV } from '@nats-io/kv'
import { type ObjectConflicts, objectConflictsSchema } from '../../../schemas/owner-conflict.js'
import { writeOver } from '../../broker/wrong-revision.js'
import { arrivalToken } from '../arrival-log.js'
import { type ClaimedObject, claimedObjectSchema, withClaim } from './claimed-object.js'
import type { ObjectClaim } from './object-claim.js'
import type { OwnedObject, OwnerRule } from './owner-rules.js'

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
      const isKept =
        after === before ||
        (await writeOver(this.#kv, keyOf('owned', object, id), JSON.stringify(after), revision))
      if (!isKept) continue
      if (after.conflicts.length > 0 || (before?.conflicts.length ?? 0) > 0) await this.#tell(after)
      return after
    }
  }

  async #tell({ object, id, customer_id, written, conflicts }: ClaimedObject): Promise<void> {
    const key = keyOf('conflict', object, id)
    const told: ObjectConflicts = { object, id, customer_id, written, conflicts }
    for (;;) {
      const entry = await this.#kv.get(key)
      const before =
        entry === null || entry.operation !== 'PUT' ? undefined : objectConflictsSchema.parse(entry.json())
      if (before !== undefined && before.written >= written) return // invariant 2
      if (await writeOver(this.#kv, key, JSON.stringify(told), entry?.revision ?? 0)) return
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
