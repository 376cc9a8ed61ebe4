// The messages between the main thread and the thread of a shadow. Values that cross are plain data.

import type { DispositionCounts } from '../../schemas/event/dispositions.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import type { CoreConfig, HistoryRequest } from '../core/ports/core-io.js'
import type { CountedHistoryRow } from '../core/re-rate/memory-history.js'
import type { PackedMessages } from '../workers/protocol.js'

export interface OpenCopyTask {
  readonly config: CoreConfig
  /** How many segments of identities were loaded before. */
  readonly segments: number
  readonly snapshot: Uint8Array | undefined
  readonly deltas: readonly Uint8Array[]
  /** The commit that the state is of. */
  readonly commit: number
}

/** What the database holds for a request, up to the commit of the copy. */
export interface StoredAnswer {
  readonly request: HistoryRequest
  readonly rows: readonly CountedHistoryRow[]
}

export interface FeedTask {
  readonly nowMs: number
  readonly catalog: PackedMessages
  readonly lifecycle: PackedMessages
  readonly metering: PackedMessages
  readonly stored: readonly StoredAnswer[]
}

export interface EventIdentity {
  readonly source: string
  readonly id: string
}

/** What became of an event in the copy, by what was fed since the last answer. */
export type Fate = EventIdentity &
  (
    | {
        /** `amount`: by how much its rows move charges, those that are taken back included. */
        readonly kind: 'rated'
        readonly amount: Scaled
      }
    | { readonly kind: 'taken_back'; readonly amount: Scaled }
    | { readonly kind: 'dead_lettered'; readonly code: string; readonly detail: string }
    | { readonly kind: 'waiting' }
    /** Nothing was written about it: it was applied, it is a duplicate, or it was not among what was fed. */
    | { readonly kind: 'no_rows' }
  )

export interface ChargeChange {
  readonly chargeId: string
  readonly customerId: string
  readonly subscriptionId: string
  readonly plan: string
  readonly planVersion: number
  readonly price: string
  readonly meter: string
  readonly currency: string
  readonly entityId: string
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** The sum of its rows. */
  readonly before: Scaled
  readonly after: Scaled
}

/** What came of everything that was fed since the last answer. */
export interface Outcome {
  /** By how much the disposition counts changed. */
  readonly counts: DispositionCounts
  /** The events that were asked about, in that order. */
  readonly fates: readonly Fate[]
  /** The charges whose amount changed, by id. */
  readonly charges: readonly ChargeChange[]
}
