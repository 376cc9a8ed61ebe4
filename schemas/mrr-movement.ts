// The MRR movement: one change of a customer's monthly recurring revenue. Contract section 4.
// Invariants: mrrAfter - mrrBefore = amount, and MRR at an instant is the sum of the amounts up to it.

import type { Scaled } from './decimal.js'

export type MovementKind = 'new_business' | 'expansion' | 'contraction' | 'churn' | 'reactivation'

export interface MrrMovement {
  readonly movementId: string
  readonly customerId: string
  readonly subscriptionId: string
  readonly effectiveAtMs: number
  readonly kind: MovementKind
  readonly amount: Scaled
  readonly currency: string
  /** The customer's total in this currency before and after. */
  readonly mrrBefore: Scaled
  readonly mrrAfter: Scaled
}
