// What billing has still to do for an entity: what whoever closes its books asks. The feature `billing` answers.

import type { Charge } from '../../schemas/billing/charge.js'
import type { HeldBack } from '../../schemas/billing/held-back.js'
import type { Caller } from '../gateway/scopes.js'

export interface OpenBilling {
  /**
   * The lines that a run with this cutoff would bill now, by the function that seals, of every entity or of the one named;
   * nothing is sealed.
   */
  due(request: DueRequest): Promise<DueCharges>
  /** Those of these batches that nobody has acknowledged; none where no batch was ever acknowledged. */
  unacknowledged(batches: readonly BatchOfRun[]): Promise<readonly BatchOfRun[]>
}

export interface DueRequest {
  readonly cutoffNs: bigint
  /** Undefined: every entity. */
  readonly entityId: string | undefined
  readonly caller: Caller
}

export type DueCharges =
  | {
      readonly kind: 'known'
      readonly lines: AsyncIterable<Charge>
      /** What is due beside them and people hold back. */
      readonly heldBack: readonly HeldBack[]
    }
  /** Not every partition has answered in time. */
  | { readonly kind: 'unknown'; readonly id: string; readonly detail: string }

export interface BatchOfRun {
  readonly runId: string
  readonly batchId: string
}
