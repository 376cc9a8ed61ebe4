// What one system says of one object, and the fields of a customer's event.

import type { OwnedObject } from './owner-rules.js'

/** What one event says of one object. */
export interface ObjectClaim {
  readonly object: OwnedObject
  readonly id: string
  readonly customerId: string
  /** By field: a JSON value. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Orders the claims of one system: of a subscription the sequence, of a customer epoch nanoseconds. */
  readonly at: string
  /** The id of the event that said so, within its source. */
  readonly event: string
}

/** Of the events of one arrival the later ones go on where the earlier ones ended. */
export function combinedClaims(claims: readonly ObjectClaim[]): readonly ObjectClaim[] {
  const all = new Map<string, ObjectClaim>()
  for (const claim of claims) {
    const key = JSON.stringify([claim.object, claim.id])
    const before = all.get(key)
    if (before === undefined) all.set(key, claim)
    else {
      const at = BigInt(claim.at) > BigInt(before.at) ? claim.at : before.at
      all.set(key, { ...claim, fields: { ...before.fields, ...claim.fields }, at })
    }
  }
  return [...all.values()]
}

export function fieldsOfCustomer(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { customer_id: _, external_ids, ...rest } = data
  const ids = typeof external_ids === 'object' && external_ids !== null ? Object.entries(external_ids) : []
  const all = [...Object.entries(rest), ...ids.map(([system, id]) => [`external_ids.${system}`, id] as const)]
  return Object.fromEntries(all.filter(([, value]) => value !== undefined))
}

export function customerData(id: string, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const data: Record<string, unknown> = { customer_id: id }
  const ids: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(fields)) {
    if (field.startsWith('external_ids.')) ids[field.slice('external_ids.'.length)] = value
    else data[field] = value
  }
  return Object.keys(ids).length === 0 ? data : { ...data, external_ids: ids }
}
