// The port of every sink: what the deliver loop hands it and what it answers.
// Invariants:
// 1. A range is named by its token: the same token always comes with the same messages, whoever sends it and how often.
// 2. `apply` is one idempotent attempt. It never retries and never throws for what a system of record may do: it
//    answers `retryable` or `rejected`, and the deliver loop decides when to try again.

/** One message of a stream, in the order of the stream. */
export interface FeedMessage {
  readonly sequence: number
  readonly natsSubject: string
  readonly bytes: Uint8Array
  /** When the broker stored it. Left out where a range is made by hand. */
  readonly storedAtMs?: number
}

/** Messages from sequence `from` to sequence `to`, both included; those between that no filter matches are not there. */
export interface FeedRange {
  readonly stream: string
  readonly from: number
  readonly to: number
  /** Stable name of this range, for ever: sink, stream with its creation, from and to. */
  readonly token: string
  readonly messages: readonly FeedMessage[]
  /** What was refused for what it holds, so that it is taken apart and not tried again as a whole. */
  readonly apart?: readonly Apart[]
}

/** A part of a range that a sink refused for what it holds. */
export interface Apart {
  /** Of the part, within its range. */
  readonly name: string
  readonly code: string
  readonly detail: string
}

/** One record that a sink refused for what it holds, set aside alone. */
export interface RefusedRecord {
  /** Within its feed, for ever. */
  readonly name: string
  /** Of the message that it lies in. */
  readonly sequence: number
  /** What it would have been a row of. */
  readonly table: string
  readonly code: string
  readonly detail: string
  /** For people: the record as JSON. */
  readonly content: string
  /** For the sink, when it is applied later: what it needs, in base64, and the token under which it is applied. */
  readonly bytes: string
  readonly token: string
}

export type SinkOutcome =
  | { readonly kind: 'ok'; readonly rows: number; readonly refused?: readonly RefusedRecord[] }
  /**
   * A part holds something that the receiver cannot. The deliver loop writes down that this part is taken apart, so that
   * it is never again tried under its own name, and calls `apply` again.
   */
  | ({ readonly kind: 'apart' } & Apart)
  /** Trouble outside that may pass by itself: connection, time-out, overload. */
  | { readonly kind: 'retryable'; readonly code: string; readonly detail: string }
  /** Nothing will change until somebody acts. Tried again at the slowest pace, so that it heals by itself after that. */
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }

/** While a process owns a feed. */
export interface Attendance {
  /** Fires when the work is to end after what is in hand. */
  readonly stopping: AbortSignal
  /** Fires when it is to end at once. */
  readonly aborting: AbortSignal
  isPaused(): boolean
}

export interface SinkTrouble {
  readonly code: string
  readonly detail: string
  readonly attempts: number
  readonly atMs: number
  /** Nothing moves until somebody acts. */
  readonly isStopped: boolean
}

export interface Sink {
  /** `clickhouse`, `billing`, `erp`: as it is named in the status and in logs. */
  readonly name: string
  apply(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome>
  /**
   * What the sink does beside taking ranges, while this process owns the feed. When it rejects, the feed is claimed anew.
   */
  attend?(attendance: Attendance): Promise<void>
  /** What keeps that work from going on, if anything does. */
  trouble?(): SinkTrouble | undefined
  /** One idempotent attempt to apply a record that was set aside; `ok` with no refusal: it is there. */
  applyRefused?(record: RefusedRecord, signal: AbortSignal): Promise<SinkOutcome>
  /**
   * Whether nothing of this feed has ever been applied; asked when no position is recorded. Where the answer is no, the
   * position was lost, and beginning again would apply everything under new tokens. May throw: then it is asked again.
   */
  isUntouched?(signal: AbortSignal): Promise<boolean>
  close?(): Promise<void>
}
