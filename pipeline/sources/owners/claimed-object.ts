// What all systems say of one object, and what follows: the fields that hold, and where two disagree. Pure.
// Invariants:
// 1. Of one system the latest claim of a field holds, by its own order; so the order in which claims come makes no difference.
// 2. A field has the value of the first of its owners that has said something. Of a customer, where none of them has, and
//    without a rule, it has that of the latest claim: nothing is lost because its owner is silent.
// 3. Each change of what holds of a customer has a later time than the one before, so that the last one wins everywhere.

import { z } from 'zod'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { type OwnerConflict, ownerConflictSchema } from '../../../schemas/owner-conflict.js'
import type { ObjectClaim } from './object-claim.js'
import { type OwnerRule, ownedObjects, ownersOf } from './owner-rules.js'

const claimSchema = z.object({ value: z.unknown(), at: z.string() })
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
})
export type ClaimedObject = Readonly<z.infer<typeof claimedObjectSchema>>
type Claim = z.infer<typeof claimSchema>
type Claims = Readonly<Record<string, Claim>>

export function withClaim(
  before: ClaimedObject | undefined,
  { object, id, customerId, fields, at }: ObjectClaim,
  system: string,
  rules: readonly OwnerRule[],
  since: string,
): ClaimedObject {
  const old = before?.fields ?? {}
  const all: Record<string, Record<string, Claim>> = { ...old }
  let isNew = false
  for (const [field, value] of Object.entries(fields)) {
    const last = old[field]?.[system]
    if (last !== undefined && !isLater({ value, at }, last)) continue
    all[field] = { ...old[field], [system]: { value, at } }
    isNew = true
  }
  if (
    before !== undefined &&
    !isNew &&
    canonicalJson(before.conflicts.map(bare)) === canonicalJson(conflictsIn(object, all, rules))
  )
    return before
  const holds = heldFields({ object, fields: all }, rules)
  const isSame = before !== undefined && sameJson(holds, heldFields(before, rules))
  const count = isSame ? before.count : (before?.count ?? -1) + 1
  const written = (before?.written ?? 0) + 1
  const conflicts = conflictsIn(object, all, rules).map((one): OwnerConflict => {
    const known = before?.conflicts.find(other => canonicalJson(bare(other)) === canonicalJson(one))
    return known ?? { ...one, since, revision: written }
  })
  const made_at = isSame ? before.made_at : madeAt(object, all, before)
  const customer_id = before?.customer_id ?? customerId
  return { object, id, customer_id, written, count, made_at, fields: all, conflicts }
}

/** Of two claims with one time the one with the greater text: any rule does, as long as it is one. */
function isLater(one: Claim, other: Claim): boolean {
  const difference = BigInt(one.at) - BigInt(other.at)
  return (
    difference > 0n ||
    (difference === 0n && canonicalJson(one.value ?? null) > canonicalJson(other.value ?? null))
  )
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
  { object, fields }: Pick<ClaimedObject, 'object' | 'fields'>,
  rules: readonly OwnerRule[],
): Record<string, unknown> {
  const held: Record<string, unknown> = {}
  for (const field of Object.keys(fields).sort()) {
    const claims = fields[field] ?? {}
    const owners = ownersOf(rules, object, field)
    const spoke = owners?.find(one => claims[one] !== undefined)
    const winner = spoke ?? (object === 'customer' || owners === undefined ? latestOf(claims) : undefined)
    const value = winner === undefined ? undefined : claims[winner]?.value
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

type BareConflict = Omit<OwnerConflict, 'since' | 'revision'>

function conflictsIn(
  object: ClaimedObject['object'],
  fields: ClaimedObject['fields'],
  rules: readonly OwnerRule[],
): BareConflict[] {
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
      found.push({
        code,
        field,
        owner: owners === undefined ? null : owner,
        owner_value: ownerValue,
        system,
        value,
      })
    }
  }
  return found
}

function bare({ since: _, revision: __, ...rest }: OwnerConflict): BareConflict {
  return rest
}

function sameJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null)
}
