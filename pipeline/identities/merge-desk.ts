// Merges one customer into another and splits them: decides whether it may be, puts it on record, and writes it.
// Invariants:
// 1. The act is on the audit trail before it takes effect.
// 2. No circle: a merge is written only if no other merge or split came since its chain was read, else it is decided again. So of
//    two that would make one, at the same moment in two processes, the second is refused.

import { ownSystem } from '../feature/identity-lookup.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Act } from './identity-desk.js'
import type { MappingTable } from './mapping-table.js'
import { longestChain, type MergedCustomers } from './merged-customers.js'

export interface MergeDeskParts {
  readonly table: MappingTable
  readonly merged: Pick<MergedCustomers, 'refresh'>
  readonly audit: AuditTrail
  readonly nowMs: () => number
}

export type MergeDecided =
  | { readonly kind: 'free' | 'same'; readonly last: number }
  /** It was merged into another one already. */
  | { readonly kind: 'taken'; readonly into: string }
  /** Into itself, by way of others or not. */
  | { readonly kind: 'circle' }

export class MergeDesk {
  readonly #parts: MergeDeskParts

  constructor(parts: MergeDeskParts) {
    this.#parts = parts
  }

  /** What would become of it. */
  async decide(from: string, into: string): Promise<MergeDecided> {
    const { table } = this.#parts
    const last = await table.lastMerge() // before the chain is read: invariant 2
    const before = await table.get(mergeKey(from))
    if (before !== undefined)
      return before.mapping.ours === into
        ? { kind: 'same', last }
        : { kind: 'taken', into: before.mapping.ours }
    let at: string | undefined = into
    for (let step = 0; step < longestChain && at !== undefined; step += 1) {
      if (at === from) return { kind: 'circle' }
      at = (await table.get(mergeKey(at)))?.mapping.ours
    }
    return { kind: 'free', last }
  }

  async merge(from: string, into: string, { caller, reason }: Act): Promise<MergeDecided> {
    const { table, merged, audit, nowMs } = this.#parts
    const key = mergeKey(from)
    for (;;) {
      const decided = await this.decide(from, into)
      if (decided.kind !== 'free') return decided
      const object = { kind: 'customer', id: from }
      await audit.record({ caller, act: 'customer.merged', object, reason, before: from, after: into })
      const set = { set_at: new Date(nowMs()).toISOString(), set_by: caller.keyName ?? '' }
      if (!(await table.writeMerge({ ...key, ours: into, ...set }, decided.last))) continue
      await merged.refresh(key)
      return decided
    }
  }

  /** Into whom it was merged; undefined: it was not. */
  async split(customer: string, { caller, reason }: Act): Promise<string | undefined> {
    const { table, merged, audit } = this.#parts
    const key = mergeKey(customer)
    for (;;) {
      const kept = await table.get(key)
      if (kept === undefined) return undefined
      const was = kept.mapping.ours
      const object = { kind: 'customer', id: customer }
      await audit.record({ caller, act: 'customer.split', object, reason, before: was, after: customer })
      if (!(await table.remove(kept))) continue
      await merged.refresh(key)
      return was
    }
  }
}

function mergeKey(theirs: string) {
  return { object: 'customer' as const, system: ownSystem, theirs }
}
