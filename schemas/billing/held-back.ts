// What people hold back of billing runs: a customer, or one subscription of it; and what a run left out for it.

import { z } from 'zod'

/** `subscription_id` null: all of the customer. */
export const heldFromRunsSchema = z.object({
  customer_id: z.string().min(1),
  subscription_id: z.string().min(1).nullable(),
})

export type HeldFromRuns = z.infer<typeof heldFromRunsSchema>

/** What a run would have billed of a hold, by entity and currency. */
export const heldBackSchema = heldFromRunsSchema.extend({
  entity_id: z.string(),
  currency: z.string(),
  line_count: z.int().min(1),
  amount_rounded: z.string(),
  /** The local days on which its entries would have been dated, the first and the last. */
  first_date: z.string(),
  last_date: z.string(),
})

export type HeldBack = z.infer<typeof heldBackSchema>
