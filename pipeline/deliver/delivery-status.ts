// The status of one feed, for the metrics and the readiness check.

import type { SinkBacklog } from '../../sinks/sink.js'
import type { Hold } from './flow-gate.js'

export type DeliveryState =
  | 'starting'
  | 'running'
  /** The last attempt failed in a way that may pass. */
  | 'retrying'
  /** The sink refused the range; nothing moves until somebody acts. */
  | 'blocked'
  /** The flow gate holds it; see `hold`. */
  | 'paused'
  /** Another process delivers this feed. */
  | 'standby'
  /** Cannot go on at all; see the trouble's code. */
  | 'failed'
  | 'stopped'

export interface DeliveryTrouble {
  readonly code: string
  readonly detail: string
  /** Attempts on the current range so far; 0 when there is none. */
  readonly attempts: number
  readonly atMs: number
}

export interface DeliveryStatus {
  readonly key: string
  readonly sink: string
  readonly stream: string
  readonly state: DeliveryState
  /** The last stream sequence whose messages the sink has. */
  readonly position: number
  readonly hold?: Hold
  /** Messages not yet cut into a range, as far as is known; null while this process does not read. */
  readonly behind: number | null
  /** When the oldest message that the sink has not got was stored; undefined: none waits, or none was read yet. */
  readonly oldestWaitingAtMs: number | undefined
  /** Of a connection: the records that are on their way, by state, and when the oldest of them was recorded. */
  readonly open?: SinkBacklog
  /** These four count since the start of this process. */
  readonly ranges: number
  readonly messages: number
  readonly bytes: number
  readonly rows: number
  /** Number of records that the sink refused and that are set aside, as far as this process knows. */
  readonly refused: number
  /** Epoch milliseconds, 0 before the first. */
  readonly lastAppliedAtMs: number
  /** Since when the sink has been given a range that it has not taken. */
  readonly applyingSinceMs?: number
  readonly trouble?: DeliveryTrouble
}
