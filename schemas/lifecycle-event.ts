// Lifecycle and revenue events: what the `data` of each `weir.*` type means inside. Contract section 2.
// Invariant: a parsed change says exactly which fields it sets; what is absent was left out by the sender.

import type { Price } from './catalog.js'
import type { Scaled } from './decimal.js'

export type SubscriptionChangeKind = 'created' | 'amended' | 'renewed' | 'suspended' | 'resumed' | 'cancelled'

/** One lifecycle event of one subscription. Instants are epoch milliseconds. */
export interface SubscriptionChange {
  readonly kind: SubscriptionChangeKind
  readonly subscriptionId: string
  readonly customerId: string
  /** Raised by the system of record with each change; the subscription version. A safe integer >= 0. */
  readonly sequence: number
  readonly effectiveFromMs: number
  readonly plan?: string
  /** Absent in the event: the newest published when the change is applied, filled in then. */
  readonly planVersion?: number
  readonly quantities?: ReadonlyMap<string, Scaled>
  readonly priceOverrides?: readonly Price[]
  readonly effectiveUntilMs?: number
  readonly entityId?: string
  readonly contractId?: string
  /** `created` only, as are `timezone` and `trialUntilMs`. */
  readonly billingAnchorMs?: number
  readonly timezone?: string
  readonly trialUntilMs?: number
  readonly reason?: string
  /** What is carried to rows and postings, and what names the event that caused a correction. */
  readonly eventSource: string
  readonly eventId: string
  readonly correlationId: string
  /** Hash of the content, by which the same version sent again is told from a conflicting one. */
  readonly contentHash: string
}
