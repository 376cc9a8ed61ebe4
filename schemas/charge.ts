// The charge: what is owed for one price over one segment of a service period. Contract section 4.

import type { Scaled } from './decimal.js'

export type ChargeKind = 'usage' | 'recurring' | 'adjustment'

/** Instants are epoch milliseconds, half-open; amounts are scaled (10^-12), `amountRounded` included. */
export interface Charge {
  /** Same (subscription, price, segment start), same id, on every machine and in `simulate`. */
  readonly chargeId: string
  readonly customerId: string
  readonly subscriptionId: string
  readonly subscriptionVersion: number
  readonly entityId: string
  readonly contractId: string
  readonly plan: string
  readonly planVersion: number
  readonly price: string
  /** Empty for a recurring price. */
  readonly meter: string
  readonly kind: ChargeKind
  readonly timing: 'in_advance' | 'in_arrears'
  readonly fromMs: number
  readonly untilMs: number
  readonly quantity: Scaled
  readonly amount: Scaled
  readonly amountRounded: Scaled
  readonly currency: string
  readonly status: 'open' | 'closed'
  readonly corrects?: string
  readonly billingRunId?: string
}
