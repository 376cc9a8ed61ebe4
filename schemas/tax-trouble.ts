// The bucket `weir_taxes`: the state of each tax that the books are brought to, and why a tax cannot be posted. The books write it; the
// list of exceptions and the reconciliation read it.

import { z } from 'zod'
import { stableId } from './identifiers.js'

export const taxesBucket = 'weir_taxes'
export const taxTroubleKeys = 'trouble.*'

/** A token of subjects and keys. */
export function taxToken(taxId: string): string {
  return stableId('tax', taxId)
}

export function taxStateKey(taxId: string): string {
  return `state.${taxToken(taxId)}`
}

export function taxTroubleKey(taxId: string): string {
  return `trouble.${taxToken(taxId)}`
}

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
