// What all systems say of one object, and what follows: the fields that hold, and where two disagree. Pure.
// Invariants:
// 1. Of one system the latest claim of a field holds, by its own order; so the order in which claims come makes no difference.
// 2. A field has the value of the first of its owners that has said something. Of a customer, where none of them has, and
//    without a rule, it has that of the latest claim: nothing is lost because its owner is silent.
// 3. Each change of what holds of a customer has a later time than the one before, so that the last one wins everywhere.
// 4. What somebody decided of two values counts as long as both systems say just these: then they are no conflict, and the value
//    that was taken holds. A new word of either takes the decision back.

import { z } from 'zod'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { type OwnerConflict, ownerConflictSchema } from '../../../schemas/owner-conflict.js'
import type { ObjectClaim } from './object-claim.js'
import { type OwnerRule, ownedObjects, ownersOf } from './owner-rules.js'

const claimSchema = z.object({ value: z.unknown(), at: z.string(), event: z.string().optional() })
const settledSchema = z.object({
  field: z.string(),
  owner: z.string().nullable(),
  owner_value: z.unknown(),
  system: z.string(),
  value: z.unknown(),
  /** `take`: the value of the system holds, in place of the owner's. */
  resolution: z.enum(['keep', 'take']),
})
export type SettledConflict = Readonly<z.infer<typeof settledSchema>>
export const claimedObjectSchema = z.object({
  object: z.enum(ownedObjects),
  id: z.string(),
  customer_id: z.string(),
  /** How often a claim has changed, and how often what holds did. */
  written: z.int(),
  count: z.int(),
  /** Epoch nanoseconds of the last of these changes. */
  made_at: z.string(),
  /** By field, then by system. */
  fields: z.record(z.string(), z.record(z.string(), claimSchema)),
  conflicts: z.array(ownerConflictSchema),
  /** Of each field and system the last decision. */
  settled: z.array(settledSchema).optional(),
})
export type ClaimedObject = Readonly<z.infer<typeof claimedObjectSchema>>
type Claim = z.infer<typeof claimSchema>
type Claims = Readonly<Record<string, Claim>>

export function withClaim(
  before: ClaimedObject | undefined,
  { object, id, customerId, fields, at, event }: ObjectClaim,
  system: string,
  rules: readonly OwnerRule[],
  since: string,
): ClaimedObject {
  const old = before?.fields ?? {}
  const all: Record<string, Record<string, Claim>> = { ...old }
  let isNew = false
  for (const [field, value] of Object.entries(fields)) {
    const last = old[field]?.[system]
    const claim: Claim = { value, at, event }
    if (last !== undefined && !isLater(claim, last)) continue
    all[field] = { ...old[field], [system]: claim }
    isNew = true
  }
  const next = { object, id, customer_id: before?.customer_id ?? customerId, fields: all }
  if (before !== undefined && !isNew) {
    const found = conflictsIn({ ...before, fields: all }, rules).map(values)
    if (canonicalJson(before.conflicts.map(values)) === canonicalJson(found)) return before
  }
  return changed(before, { ...next, ...settledOf(before) }, rules, since)
}

/** The object with a decision of somebody; the same where it was decided so already. */
export function withSettled(
  before: ClaimedObject,
  decided: SettledConflict,
  rules: readonly OwnerRule[],
  since: string,
): ClaimedObject {
  const all = before.settled ?? []
  if (all.some(one => sameJson(one, decided))) return before
  const others = all.filter(({ field, system }) => field !== decided.field || system !== decided.system)
  return changed(before, { ...before, settled: [...others, decided] }, rules, since)
}

type Said = Pick<ClaimedObject, 'object' | 'fields' | 'settled'>

function settledOf(before: ClaimedObject | undefined): Pick<ClaimedObject, 'settled'> {
  return before?.settled === undefined ? {} : { settled: before.settled }
}

function changed(
  before: ClaimedObject | undefined,
  said: Said & Pick<ClaimedObject, 'id' | 'customer_id'>,
  rules: readonly OwnerRule[],
  since: string,
): ClaimedObject {
  const isSame = before !== undefined && sameJson(heldFields(said, rules), heldFields(before, rules))
  const count = isSame ? before.count : (before?.count ?? -1) + 1
  const written = (before?.written ?? 0) + 1
  const conflicts = conflictsIn(said, rules).map((one): OwnerConflict => {
    const known = before?.conflicts.find(other => sameJson(values(other), values(one)))
    return { ...one, since: known?.since ?? since, revision: known?.revision ?? written }
  })
  const made_at = isSame ? before.made_at : madeAt(said.object, said.fields, before)
  const { object, id, customer_id, fields } = said
  return {
    ...{ object, id, customer_id, written, count, made_at, fields, conflicts },
    ...(said.settled === undefined ? {} : { settled: said.settled }),
  }
}

/** Of two claims with one time the one with the greater text: any rule does, as long as it is one. */
function isLater(one: Claim, other: Claim): boolean {
  const [a, b] = [canonicalJson(one.value ?? null), canonicalJson(other.value ?? null)]
  if (one.at !== other.at) return BigInt(one.at) > BigInt(other.at)
  return a === b ? (one.event ?? '') > (other.event ?? '') : a > b
}

function madeAt(object: string, fields: ClaimedObject['fields'], before: ClaimedObject | undefined): string {
  if (object !== 'customer') return '0'
  let latest = before === undefined ? 0n : BigInt(before.made_at) + 1n // invariant 3
  for (const claims of Object.values(fields))
    for (const { at } of Object.values(claims)) if (BigInt(at) > latest) latest = BigInt(at)
  return String(latest)
}

/** What holds: by field the value. Fields of which nobody who counts has said anything are left out. */
export function heldFields(
  { object, fields, settled = [] }: Said,
  rules: readonly OwnerRule[],
): Record<string, unknown> {
  const held: Record<string, unknown> = {}
  for (const field of Object.keys(fields).sort()) {
    const claims = fields[field] ?? {}
    const owners = ownersOf(rules, object, field)
    const spoke = owners?.find(one => claims[one] !== undefined)
    const winner = spoke ?? (object === 'customer' || owners === undefined ? latestOf(claims) : undefined)
    const taken = settled.find(
      one => one.resolution === 'take' && one.field === field && one.owner === winner && isStill(one, claims),
    )
    const value = winner === undefined ? undefined : claims[taken?.system ?? winner]?.value
    if (value !== undefined && (value !== null || field.endsWith('_customer_id'))) held[field] = value
  }
  return held
}

function latestOf(claims: Claims): string | undefined {
  const systems = Object.keys(claims).sort()
  return systems.reduce<string | undefined>(
    (best, one) => (best === undefined || BigInt(claims[one]!.at) > BigInt(claims[best]!.at) ? one : best),
    undefined,
  )
}

/** Both say what they said when it was decided. */
function isStill({ owner, owner_value, system, value }: SettledConflict, claims: Claims): boolean {
  const first = owner === null ? undefined : claims[owner]
  return (
    sameJson(claims[system]?.value, value) &&
    (owner === null || sameJson(first === undefined ? null : first.value, owner_value))
  )
}

type BareConflict = Omit<OwnerConflict, 'since' | 'revision'>

function conflictsIn({ object, fields, settled = [] }: Said, rules: readonly OwnerRule[]): BareConflict[] {
  const found: BareConflict[] = []
  for (const field of Object.keys(fields).sort()) {
    const claims = fields[field] ?? {}
    const owners = ownersOf(rules, object, field)
    const isState = field === 'status'
    if (owners === undefined && !isState) continue
    const code = isState ? 'conflicting_state' : 'conflicting_owner'
    // Of a state without an owner no system wins: the first by name is named first.
    const spoke = owners?.find(one => claims[one] !== undefined)
    if (owners !== undefined && spoke === undefined && object === 'customer') continue
    const owner = spoke ?? owners?.[0] ?? Object.keys(claims).sort()[0]!
    const ownerValue = claims[owner]?.value ?? null
    for (const system of Object.keys(claims).sort()) {
      const value = claims[system]?.value ?? null
      if (system === owner || sameJson(value, ownerValue)) continue
      const said = {
        field,
        owner: owners === undefined ? null : owner,
        owner_value: ownerValue,
        system,
        value,
      }
      if (settled.some(({ resolution: _, ...one }) => sameJson(one, said))) continue
      const [ownerEvent, event] = [claims[owner]?.event, claims[system]?.event]
      found.push({
        ...{ code, ...said },
        ...(ownerEvent === undefined ? {} : { owner_event: ownerEvent }),
        ...(event === undefined ? {} : { event }),
      })
    }
  }
  return found
}

/** What they disagree on, whichever event said so. */
function values({ code, field, owner, owner_value, system, value }: BareConflict) {
  return { code, field, owner, owner_value, system, value }
}

function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null)
}
