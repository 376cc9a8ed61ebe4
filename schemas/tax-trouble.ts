// Tax that cannot be posted: what the books keep of it in the bucket `weir_taxes`, and the list of exceptions reads.

import { z } from 'zod'

export const taxesBucket = 'weir_taxes'
export const taxTroubleKeys = 'trouble.*'

export const taxTroubleSchema = z.object({
  tax_id: z.string(),
  customer_id: z.string(),
  code: z.string(),
  detail: z.string(),
  since: z.string(),
  /** The sequence of its state: an answer holds until another comes. */
  sequence: z.int(),
  amount: z.string(),
  currency: z.string(),
})
export type TaxTrouble = z.infer<typeof taxTroubleSchema>
