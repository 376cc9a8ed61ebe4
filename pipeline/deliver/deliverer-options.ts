// The options of a deliverer, and what its callbacks get.

import type { KV } from '@nats-io/kv'
import type { RefusedRecord, Sink } from '../../sinks/sink.js'
import type { CommitsUnderWay } from '../ledger/commits-under-way.js'
import type { RecentCommits } from '../ledger/recent-commits.js'
import type { DeliverLimits } from './deliver-limits.js'
import type { DeliveryStatus } from './delivery-status.js'
import type { FeedGate } from './flow-gate.js'
import type { ForeignMessage } from './ledger-commits.js'
import type { FeedSource } from './read-feed.js'

export interface DelivererOptions extends FeedSource {
  /** Key in the bucket: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly sink: Sink
  /** The bucket `weir_sinks`. */
  readonly kv: KV
  readonly gate: FeedGate
  /** The commits of this process, when the stream is LEDGER, so that they need not be read back. */
  readonly recent?: RecentCommits
  /** This process's commits that are not stored yet, when the stream is LEDGER. */
  readonly underWay?: CommitsUnderWay
  readonly limits?: Partial<DeliverLimits>
  /** True: the stream is LEDGER, and only messages that a commit names go to the sink. */
  readonly authenticates?: boolean
  readonly onForeign?: (message: ForeignMessage) => void
  readonly onChange?: (status: DeliveryStatus) => void
  readonly onApplied?: (applied: AppliedRange) => void
  readonly onRefused?: (refused: RefusedRecords) => void
  readonly random?: () => number
}

/** Records that the sink refused because of their content. */
export interface RefusedRecords {
  readonly key: string
  readonly records: readonly RefusedRecord[]
}

/** A range that the sink has taken. */
export interface AppliedRange {
  readonly key: string
  /** Since the broker stored the oldest message. */
  readonly ageSeconds: number
  /** How long the attempt that succeeded took. */
  readonly applySeconds: number
}
