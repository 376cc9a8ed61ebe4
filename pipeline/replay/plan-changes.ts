// What the tried terms change in each plan, price by price: a price as it is written in the catalog, before and after.

import { z } from 'zod'
import type { Catalog, Plan } from '../../schemas/catalog/catalog.js'
import { priceToWire } from '../../schemas/catalog/catalog-parser.js'
import { planToWire } from '../../schemas/catalog/catalog-plan.js'
import { hashOfValue } from '../../schemas/event/event-hash.js'

const written = z.record(z.string(), z.unknown()).nullable()

export const planChangeSchema = z
  .object({
    plan: z.string(),
    from_version: z.int().nullable().describe('The newest that is published; null: none'),
    to_version: z.int(),
    terms: z
      .object({ before: written, after: written })
      .nullable()
      .describe('The fields of the plan itself; null: they stay'),
    prices: z.array(
      z.object({
        price: z.string(),
        change: z.enum(['added', 'removed', 'changed']),
        before: written,
        after: written,
      }),
    ),
  })
  .meta({ id: 'PlanChange' })
export type PlanChange = z.infer<typeof planChangeSchema>

export function planChanges(
  published: Catalog,
  tried: Catalog,
  plans: readonly { readonly plan: string; readonly version: number }[],
): PlanChange[] {
  return plans.map(({ plan, version }) => {
    const after = tried.plans.find(one => one.plan === plan && one.version === version)!
    const before = published.plans
      .filter(one => one.plan === plan)
      .reduce<Plan | undefined>(
        (newest, one) => (one.version > (newest?.version ?? 0) ? one : newest),
        undefined,
      )
    return {
      plan,
      from_version: before?.version ?? null,
      to_version: version,
      terms: termsOf(before, after),
      prices: pricesOf(before, after),
    }
  })
}

function termsOf(before: Plan | undefined, after: Plan): PlanChange['terms'] {
  const [was, is] = [before === undefined ? null : ownFields(before), ownFields(after)]
  return was !== null && hashOfValue(was) === hashOfValue(is) ? null : { before: was, after: is }
}

function ownFields(plan: Plan): Record<string, unknown> {
  const { prices: _, version: __, ...fields } = planToWire(plan)
  return fields
}

function pricesOf(before: Plan | undefined, after: Plan): PlanChange['prices'] {
  const was = new Map(before?.prices.map(price => [price.price, priceToWire(price)]))
  const changes: PlanChange['prices'] = []
  for (const price of after.prices) {
    const [old, next] = [was.get(price.price), priceToWire(price)]
    was.delete(price.price)
    if (old === undefined) changes.push({ price: price.price, change: 'added', before: null, after: next })
    else if (hashOfValue(old) !== hashOfValue(next))
      changes.push({ price: price.price, change: 'changed', before: old, after: next })
  }
  for (const [price, old] of was) changes.push({ price, change: 'removed', before: old, after: null })
  return changes
}
