// What passes between the main thread and the thread of a shadow for a replay. Plain data.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import type { DispositionCounts } from '../../schemas/event/dispositions.js'
import type { PackedMessages } from '../workers/protocol.js'

/** The charges whose service period begins here are compared. */
export interface Stretch {
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** Only this customer is compared. */
  readonly customerId?: string
}

/** Whether the subscriptions are those of the live state, or are made of the changes as they came. */
export type ChangesFrom = 'copied' | 'read'

export interface ReplayOptions extends Stretch {
  /** The terms that are tried, whole; undefined: those that are published. */
  readonly catalog: Catalog | undefined
  readonly changes: ChangesFrom
}

export interface ChargesTask {
  readonly stretch: Stretch
  readonly linesEach: number
}

export interface ChargesPage {
  /** Lines of JSON, each a charge as it is owed. */
  readonly lines: Uint8Array
  readonly isLast: boolean
}

export interface ChangesTask {
  readonly nowMs: number
  readonly catalog: PackedMessages
  readonly lifecycle: PackedMessages
}

export interface UsageTask {
  readonly nowMs: number
  readonly metering: PackedMessages
}

/** Lines of JSON as ClickHouse wrote them, one per event and meter, those of an event together (readings.ts). */
export interface ReadingsTask {
  readonly nowMs: number
  readonly lines: Uint8Array
}

export interface DifferencePage {
  /** Lines of JSON, each a difference by charge or by customer; in the last page the sums by price. */
  readonly lines: Uint8Array
  /** Set in the last page. */
  readonly totals?: {
    /** What became of the events that were fed. */
    readonly events: DispositionCounts
    /** Those that were refused, by code. */
    readonly refused: Readonly<Record<string, number>>
  }
}
