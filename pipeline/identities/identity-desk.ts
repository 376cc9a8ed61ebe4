// Sets and removes mappings: decides whether a claim may stand, puts it on record, and writes it.
// Invariants:
// 1. An id that stands for one of ours is never moved silently: the claim is told as taken, unless it names whose it was.
// 2. The act is on the audit trail before it takes effect.
// 3. A write is made on top of what the decision saw; when somebody wrote in between it is decided again.

import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Caller } from '../gateway/scopes.js'
import { type CustomerClaims, claimKey, isExternal } from './identity-lookup.js'
import type { KeptMapping, Mapping, MappingIds, MappingKey, MappingTable } from './mapping-table.js'

export interface Claim extends MappingIds {
  /** Whose it was, when it is to be moved. */
  readonly insteadOf?: string | undefined
}

export type Decided =
  | {
      readonly kind: 'set' | 'same'
      readonly before: KeptMapping | undefined
      /** Customers that it has meant by what events said. */
      readonly formers: readonly string[]
    }
  /** By several where events of customers claim it. */
  | { readonly kind: 'taken'; readonly by: readonly string[] }

export interface DeskParts {
  readonly table: MappingTable
  readonly claims: Pick<CustomerClaims, 'of' | 'ever'>
  readonly audit: AuditTrail
  readonly nowMs: () => number
}

const writtenAtOnce = 64

export interface Act {
  readonly caller: Caller
  readonly reason: string
}

export class IdentityDesk {
  readonly #parts: DeskParts

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** What would become of each claim, by place; earlier ones of the list count for later ones. */
  async decide(all: readonly Claim[]): Promise<readonly Decided[]> {
    const { table, claims } = this.#parts
    const kept = await Promise.all(all.map(one => table.get(one)))
    const open = all.filter(
      (one, index) => kept[index] === undefined && one.object === 'customer' && isExternal(one.system),
    )
    const openIds = open.map(({ system, theirs }) => ({ system, id: theirs }))
    const [ofEvents, ever] = await Promise.all([claims.of(openIds), claims.ever(openIds)])
    const inList = new Map<string, string>()
    return all.map((one, index): Decided => {
      const key = JSON.stringify([one.object, one.system, one.theirs])
      const before = kept[index]
      const ofList = inList.get(key)
      const holders =
        ofList !== undefined ? [ofList] : before !== undefined ? [before.mapping.ours] : undefined
      const claimed = claimKey({ system: one.system, id: one.theirs })
      const decided = decideOne(one, holders, ofEvents.get(claimed), {
        before,
        formers: ever.get(claimed) ?? [],
      })
      if (decided.kind !== 'taken') inList.set(key, one.ours)
      return decided
    })
  }

  async set(claim: Claim, act: Act): Promise<Decided> {
    for (;;) {
      const [decided] = await this.decide([claim])
      if (decided?.kind !== 'set') return decided!
      await this.#record('identity.set', act, claim, decided.before?.mapping.ours ?? null, claim.ours)
      if (await this.#write(claim, decided, act)) return decided
    }
  }

  /** Those of a list that may stand; one entry of the audit trail names all of them. */
  async setAll(claims: readonly Claim[], act: Act): Promise<readonly Decided[]> {
    const decided = await this.decide(claims)
    const toSet = claims.filter((_, index) => decided[index]?.kind === 'set')
    if (toSet.length === 0) return decided
    const { audit } = this.#parts
    const object = { kind: 'identities', id: `${toSet.length} of a list` }
    const after = toSet.map(({ object: of, system, theirs, ours }) => [of, system, theirs, ours].join(' '))
    await audit.record({ ...act, act: 'identities.imported', object, before: null, after })
    const answers: Decided[] = []
    const answer = async (claim: Claim, one: Decided): Promise<Decided> => {
      // Somebody wrote it in between: what holds now is told.
      const isDone = one.kind !== 'set' || (await this.#write(claim, one, act))
      return isDone ? one : (await this.decide([claim]))[0]!
    }
    // Of one id at most one claim of the list is to be set.
    for (let from = 0; from < claims.length; from += writtenAtOnce) {
      const some = claims.slice(from, from + writtenAtOnce)
      answers.push(...(await Promise.all(some.map((claim, index) => answer(claim, decided[from + index]!)))))
    }
    return answers
  }

  /** The mapping that was; undefined: there is none. */
  async remove(key: MappingKey, act: Act): Promise<Mapping | undefined> {
    for (;;) {
      const kept = await this.#parts.table.get(key)
      if (kept === undefined) return undefined
      await this.#record('identity.removed', act, key, kept.mapping.ours, null)
      if (await this.#parts.table.remove(kept)) return kept.mapping
    }
  }

  #write(
    { object, ours, system, theirs }: MappingIds,
    { before, formers }: Extract<Decided, { kind: 'set' | 'same' }>,
    { caller }: Act,
  ): Promise<boolean> {
    const { table, nowMs } = this.#parts
    const set_at = new Date(nowMs()).toISOString()
    const set_by = caller.keyName ?? caller.keyId ?? ''
    return table.write({ object, ours, system, theirs, set_at, set_by }, before?.revision ?? 0, formers)
  }

  #record(
    act: string,
    { caller, reason }: Act,
    { object, system, theirs }: MappingKey,
    before: string | null,
    after: string | null,
  ): Promise<void> {
    const of = { kind: 'identity', id: `${object} ${system} ${theirs}` }
    return this.#parts.audit.record({ caller, act, object: of, reason, before, after })
  }
}

function decideOne(
  { ours, insteadOf }: Claim,
  holders: readonly string[] | undefined,
  ofEvents: readonly string[] = [],
  meant: Omit<Extract<Decided, { kind: 'set' | 'same' }>, 'kind'>,
): Decided {
  if (holders !== undefined) {
    if (holders.includes(ours)) return { kind: 'same', ...meant }
    return holders.every(one => one === insteadOf)
      ? { kind: 'set', ...meant }
      : { kind: 'taken', by: holders }
  }
  // Of several customers that claim it by events somebody says which one it is.
  const isFree = ofEvents.length === 0 || ofEvents.includes(ours) || ofEvents.every(one => one === insteadOf)
  return isFree ? { kind: 'set', ...meant } : { kind: 'taken', by: ofEvents }
}
