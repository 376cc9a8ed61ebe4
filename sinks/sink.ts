// The port of every sink: what the deliver loop hands to a sink, and what the sink answers.
// Invariants:
// 1. A token names a range: one token always comes with the same messages, from any process, at any attempt.
// 2. `apply` is one idempotent attempt. It never retries, and never throws when a system of record fails: it
//    answers `retryable` or `rejected`, and the deliver loop decides when to try again.

/** One message of a stream, in the order of the stream. */
export interface FeedMessage {
  readonly sequence: number
  readonly natsSubject: string
  readonly bytes: Uint8Array
  /** When the broker stored the message. Left out when a range is built without the broker. */
  readonly storedAtMs?: number
}

/** The messages that the feed's filters match, from sequence `from` to sequence `to`, both included. */
export interface FeedRange {
  readonly stream: string
  readonly from: number
  readonly to: number
  /** The permanent name of this range: sink, stream with its time of creation, from and to. */
  readonly token: string
  readonly messages: readonly FeedMessage[]
  /** The parts whose content the sink refused: it splits each of them and never tries it again as a whole. */
  readonly apart?: readonly Apart[]
  /** To be called now and then by a sink that works on a range for long: its time begins anew. */
  readonly onProgress?: () => void
}

/** A part of a range whose content a sink refused. */
export interface Apart {
  /** Name of the part, unique within its range. */
  readonly name: string
  readonly code: string
  readonly detail: string
}

/** One record whose content a sink refused. It alone is set aside. */
export interface RefusedRecord {
  /** Permanent name of the record, unique within its feed. */
  readonly name: string
  /** Sequence of the message that holds the record. */
  readonly sequence: number
  /** The table that would have held the record as a row. */
  readonly table: string
  readonly code: string
  readonly detail: string
  /** The record as JSON, for people to read. */
  readonly content: string
  /** What the sink needs to apply the record later: its data in base64, and the token to apply it under. */
  readonly bytes: string
  readonly token: string
  /** True: somebody has discarded its exception, and it is not tried again. */
  readonly discarded?: boolean | undefined
}

export type SinkOutcome =
  | { readonly kind: 'ok'; readonly rows: number; readonly refused?: readonly RefusedRecord[] }
  /**
   * The receiver cannot hold the content of one part. The deliver loop records that this part is split, so
   * that it is never tried again under its own name, and calls `apply` again.
   */
  | ({ readonly kind: 'apart' } & Apart)
  /** A failure outside that may pass by itself: connection, time-out, overload. */
  | { readonly kind: 'retryable'; readonly code: string; readonly detail: string }
  /** An operator has to act. The range is retried at the longest interval, so no restart is needed then. */
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }

/** Signals to the sink's own work while this process owns the feed. */
export interface Attendance {
  /** Fires when the work should finish what it has begun and then end. */
  readonly stopping: AbortSignal
  /** Fires when the work should end at once. */
  readonly aborting: AbortSignal
  isPaused(): boolean
}

export interface SinkTrouble {
  readonly code: string
  readonly detail: string
  readonly attempts: number
  readonly atMs: number
  /** The work stands still until an operator acts. */
  readonly isStopped: boolean
}

/** Records that a connection has taken in and that are not settled. */
export interface SinkBacklog {
  readonly byState: Readonly<Record<string, number>>
  /** Those in the state `held`, by the code of what holds them. */
  readonly heldBy: Readonly<Record<string, number>>
  /** Of those that are not held. Undefined: there is none. */
  readonly oldestAtMs: number | undefined
}

export interface Sink {
  /** The name in the status and in logs, such as `clickhouse`, `billing` or `erp`. */
  readonly name: string
  apply(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome>
  /**
   * Work of the sink beside ranges, while this process owns the feed. If it rejects, the feed is claimed
   * again.
   */
  attend?(attendance: Attendance): Promise<void>
  /** The failure that blocks the work of `attend`, if there is one. */
  trouble?(): SinkTrouble | undefined
  /** Of a sink that sends records one by one in `attend`; undefined while it is not attended here. */
  backlog?(): SinkBacklog | undefined
  /** One idempotent attempt to apply a record that was set aside; `ok` without `refused`: it is written. */
  applyRefused?(record: RefusedRecord, signal: AbortSignal): Promise<SinkOutcome>
  /**
   * Whether nothing of this feed was ever applied; called when no position is recorded. If something was, the
   * position was lost, and a new start would apply it all under new tokens. If it throws, it is called again.
   */
  isUntouched?(signal: AbortSignal): Promise<boolean>
  close?(): Promise<void>
}
