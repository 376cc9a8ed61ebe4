// The MRR movement: one change of a customer's monthly recurring revenue. Contract section 4.
// Invariants: mrrAfter - mrrBefore = amount, and MRR at an instant is the sum of the amounts up to it.

import { z } from 'zod'
import { currencyField, decimalField, instantField, nameField } from '../json/wire-fields.js'
import { formatScaled, type Scaled } from '../money/decimal.js'
import { formatInstant } from '../time.js'

export type MovementKind = (typeof movementKinds)[number]

/** `transfer`: between subscriptions or currencies of one customer, neither gained nor lost. */
export const movementKinds = [
  'new_business',
  'expansion',
  'contraction',
  'churn',
  'reactivation',
  'transfer',
] as const

export interface MrrMovement {
  readonly movementId: string
  readonly customerId: string
  readonly subscriptionId: string
  readonly effectiveAtNs: bigint
  readonly kind: MovementKind
  readonly amount: Scaled
  readonly currency: string
  /** The customer's total in this currency before and after. */
  readonly mrrBefore: Scaled
  readonly mrrAfter: Scaled
  /** Of the lifecycle event that set the version in force, else of the `created`. */
  readonly correlationId: string
}

export interface MrrMovementWire {
  readonly movement_id: string
  readonly customer_id: string
  readonly subscription_id: string
  readonly effective_at: string
  readonly kind: MovementKind
  readonly amount: string
  readonly currency: string
  readonly mrr_before: string
  readonly mrr_after: string
  readonly correlation_id: string
}

export const mrrMovementSchema = z.object({
  movement_id: nameField,
  customer_id: nameField,
  subscription_id: nameField,
  effective_at: instantField,
  kind: z.enum(movementKinds),
  amount: decimalField,
  currency: currencyField,
  mrr_before: decimalField,
  mrr_after: decimalField,
  correlation_id: z.string(),
})

export function movementToWire(movement: MrrMovement): MrrMovementWire {
  return {
    movement_id: movement.movementId,
    customer_id: movement.customerId,
    subscription_id: movement.subscriptionId,
    effective_at: formatInstant(movement.effectiveAtNs),
    kind: movement.kind,
    amount: formatScaled(movement.amount),
    currency: movement.currency,
    mrr_before: formatScaled(movement.mrrBefore),
    mrr_after: formatScaled(movement.mrrAfter),
    correlation_id: movement.correlationId,
  }
}
