// The input and the output of the pure core, as the engine, the workers and `simulate` hand them over.

import type { TakeMemory } from '../../../schemas/arrow/arrow-ipc.js'
import type { HeldFromRuns } from '../../../schemas/billing/held-back.js'
import type { DispositionCounts } from '../../../schemas/event/dispositions.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { InputMessage } from '../decode/decode.js'
import type { CoreLimits } from './core-limits.js'

export interface CoreConfig {
  readonly partition: number
  readonly partitions: number
  readonly limits: CoreLimits
  /**
   * All events come from one source that may mix events of any type, as the files of `simulate` do. Otherwise each stream
   * carries its own types only.
   */
  readonly oneSource?: boolean
}

export interface BillingRunOrder {
  readonly billingRunId: string
  readonly cutoffNs: bigint
  /** Only the charges of this entity. */
  readonly entityId?: string
  /** Only the charges of this customer. */
  readonly customerId?: string
  /** Only report what the run would bill. */
  readonly preview?: boolean
  /** What people hold back: it is not billed, and told at the end. */
  readonly held?: readonly HeldFromRuns[]
}

export interface CoreInput {
  readonly nowMs: number
  /** `ledger_sequence` of every row of this commit. */
  readonly commit: number
  readonly catalog: readonly InputMessage[]
  readonly lifecycle: readonly InputMessage[]
  readonly metering: readonly InputMessage[]
  /** Handed in once everything accepted before them was processed and no customer waits for history. */
  readonly orders: readonly BillingRunOrder[]
  readonly history: readonly HistoryAnswer[]
  /** Keys of the handovers that are published, so that they need not be kept. */
  readonly handedOver?: readonly string[]
  /** Gives the memory into which rated usage is written; without it each message gets its own. */
  readonly memory?: TakeMemory
}

/** An event for the stream LIFECYCLE of another partition. Plain data. */
export interface Handover {
  readonly key: string
  readonly partition: number
  /** JSON. */
  readonly event: string
}

/** Asks for the customer's rated usage from an instant on. */
export interface HistoryRequest {
  readonly requestId: string
  readonly customerId: string
  readonly fromNs: bigint
}

export interface HistoryAnswer {
  readonly requestId: string
  readonly rows: readonly HistoryRow[]
}

/** The net of the rated rows of one (event, meter, subscription, price, charge), where their `event_count`s are not 0. */
export interface HistoryRow {
  readonly source: string
  readonly id: string
  readonly type: string
  readonly timeNs: bigint
  readonly ingestedAtMs: number
  readonly pinnedSubscriptionId: string
  readonly correlationId: string
  readonly traceparent: string
  readonly input: EventInput
  readonly meter: string
  /** The reading as text. */
  readonly value: string
  readonly dimensions: ReadonlyMap<string, string>
  /** The reading. */
  readonly quantity: Scaled
  readonly subscriptionId: string
  /** '' when no price wanted the meter. */
  readonly price: string
  readonly chargeId: string
  /** Net sum of its rows. */
  readonly amount: Scaled
}

/** One message of the ledger: an Arrow stream of a table, or `sealed` lines. */
export interface LedgerOutput {
  readonly table: string
  readonly bytes: Uint8Array
  readonly rows: number
}

export interface CoreOutput {
  readonly delta: Uint8Array
  readonly outputs: readonly LedgerOutput[]
  /** All that are open and not yet answered. */
  readonly historyRequests: readonly HistoryRequest[]
  /** All that are not yet known to be published. */
  readonly handovers: readonly Handover[]
  /** Bytes of events that wait. */
  readonly heldBytes: number
  /** Cumulative. */
  readonly counters: DispositionCounts
  /** False: there is nothing to commit. */
  readonly changed: boolean
  readonly sealedRuns: readonly string[]
  /** An order was carried out in part: it is to be handed in again, and goes on where it was. */
  readonly goesOn: boolean
}
