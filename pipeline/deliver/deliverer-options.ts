// What a deliverer is handed, and what it calls back with.

import type { KV } from '@nats-io/kv'
import type { RefusedRecord, Sink } from '../../sinks/sink.js'
import type { CommitsUnderWay } from '../ledger/commits-under-way.js'
import type { RecentCommits } from '../ledger/recent-commits.js'
import type { DeliverLimits } from './deliver-limits.js'
import type { DeliveryStatus } from './delivery-status.js'
import type { ForeignMessage } from './ledger-commits.js'
import type { FeedSource } from './read-feed.js'

export interface DelivererOptions extends FeedSource {
  /** Key in the bucket: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly sink: Sink
  /** The bucket `weir_sinks`. */
  readonly kv: KV
  /** What this process commits, where the stream is LEDGER: saves reading it back. */
  readonly recent?: RecentCommits
  /** The commits that are about to come, where the stream is LEDGER and they come from this process. */
  readonly underWay?: CommitsUnderWay
  readonly limits?: Partial<DeliverLimits>
  /** The stream is LEDGER, and only what its commits name goes to the sink. */
  readonly authenticates?: boolean
  readonly onForeign?: (message: ForeignMessage) => void
  readonly onChange?: (status: DeliveryStatus) => void
  readonly onApplied?: (applied: AppliedRange) => void
  readonly onRefused?: (refused: RefusedRecords) => void
  readonly random?: () => number
}

/** Records that the sink refused for what they hold. */
export interface RefusedRecords {
  readonly key: string
  readonly records: readonly RefusedRecord[]
}

/** A range that the sink has taken. */
export interface AppliedRange {
  readonly key: string
  /** Since the broker stored the oldest message. */
  readonly ageSeconds: number
  /** Of the attempt that succeeded. */
  readonly applySeconds: number
}
