// The section `systems_of_record` of the configuration: which system owns which field of a customer or a subscription.
// Invariant: a rule that could not do what it says is refused when the configuration is read, with its place.

import type { z as Zod } from 'zod'
import type { SectionProblem, SettingsSection } from '../../config/setting.js'
import { sourcesSettings } from '../settings.js'

export const ownedObjects = ['customer', 'subscription'] as const
export type OwnedObject = (typeof ownedObjects)[number]

/** Whoever sends events by the API, or over NATS. */
export const apiSystem = 'api'

export const ownedFields: Readonly<Record<OwnedObject, readonly string[]>> = {
  customer: [
    ...['name', 'entity_id', 'currency', 'bill_to_customer_id', 'parent_customer_id', 'metadata'],
    ...['external_ids.crm', 'external_ids.billing', 'external_ids.erp'],
  ],
  subscription: [
    ...['plan', 'quantities', 'effective_until', 'entity_id', 'trial_until', 'billing_anchor', 'coupons'],
    ...['status', 'contract_id', 'po_number', 'timezone', 'metadata'],
  ],
}
/** What belongs to a field of another name. */
const partOf: Readonly<Record<string, string>> = { plan_version: 'plan', price_overrides: 'plan' }

export function fieldOf(name: string): string {
  return partOf[name] ?? name
}

export interface OwnerRule {
  readonly object: OwnedObject
  /** `*`: every field without a rule of its own. */
  readonly field: string
  /** Names of sources, or `api`. Of several the first that has said something. */
  readonly owner: readonly string[]
}

export const systemsOfRecord: SettingsSection<readonly OwnerRule[]> = {
  name: 'systems_of_record',
  settings: [],
  schema: z =>
    z.array(rule(z)).max(200).superRefine(refuseTwice).default([]) as Zod.ZodType<readonly OwnerRule[]>,
  against: unknownOwners,
}

/** A rule whose owner never speaks would hold back what all others say. */
function unknownOwners(values: Readonly<Record<string, unknown>>): readonly SectionProblem[] {
  const sources = values[sourcesSettings.name] as readonly { readonly name: string }[]
  const known = new Set([apiSystem, ...sources.map(({ name }) => name)])
  const rules = values[systemsOfRecord.name] as readonly OwnerRule[]
  return rules.flatMap(({ owner }, index) =>
    owner
      .filter(name => !known.has(name))
      .map(name => ({
        path: [systemsOfRecord.name, index, 'owner'],
        code: 'unknown_source',
        message: `${name} is no source; there are ${[...known].join(', ')}`,
      })),
  )
}

function rule(z: typeof Zod) {
  const name = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'is the name of a source, or api')
  return z
    .strictObject({
      object: z.enum(ownedObjects),
      field: z.string(),
      owner: z.union([name.transform(one => [one]), z.array(name).min(1).max(10)]),
    })
    .superRefine(({ object, field, owner }, context) => {
      const fields = ownedFields[object]
      if (field !== '*' && !fields.includes(field))
        context.addIssue({ code: 'custom', path: ['field'], message: `is * or one of ${fields.join(', ')}` })
      // Changes of a subscription are in the order of their owner's versions, which two systems do not share.
      if (object === 'subscription' && owner.length > 1)
        context.addIssue({ code: 'custom', path: ['owner'], message: 'is one system for a subscription' })
    })
}

function refuseTwice(
  rules: readonly OwnerRule[],
  context: { addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void },
): void {
  const seen = new Set<string>()
  for (const [index, { object, field }] of rules.entries()) {
    const message = `has the rule of another line already`
    if (seen.has(`${object} ${field}`)) context.addIssue({ code: 'custom', path: [index, 'field'], message })
    seen.add(`${object} ${field}`)
  }
}

/** The owners of a field, in order; undefined: it has no rule. */
export function ownersOf(
  rules: readonly OwnerRule[],
  object: OwnedObject,
  field: string,
): readonly string[] | undefined {
  const ofObject = rules.filter(one => one.object === object)
  return (ofObject.find(one => one.field === field) ?? ofObject.find(one => one.field === '*'))?.owner
}
