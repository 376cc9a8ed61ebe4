// The port of a connector: what the deliver loop of a connection asks a system of record, and what it may answer.
//
// A connector takes single records and answers for each one. It makes one attempt per call: it does not retry, wait for
// better times or remember anything that a restart would lose. That is the work of pipeline/deliver/connection-loop.ts.
// Invariants:
// 1. `put` answers one outcome per record, lined up by index. It throws for nothing that the other side may do.
// 2. Our key stands inside the document that the receiver keeps (an external id, a reference, metadata), since headers
//    are forgotten after minutes or hours. `find` looks for it.
// 3. A success is read from what the receiver says of the record. What is not known is `unclear`, never a guess.

export const recordKinds = ['batch_line', 'journal', 'credit_note', 'release'] as const
export type RecordKind = (typeof recordKinds)[number]

/** What is delivered: one document, the same bytes whenever it is tried. */
export interface ConnectorRecord {
  readonly kind: RecordKind
  /** Of a journal its `journal_id`. */
  readonly id: string
  /** Ours, at most 40 letters, digits, `_` and `-`; the same for ever for the same record. */
  readonly key: string
  /** When we recorded it: RFC 3339. */
  readonly recordedAt: string
  /** The record as it stands on the wire, in snake_case. */
  readonly document: Readonly<Record<string, unknown>>
}

interface Reason {
  /** Stable, in snake_case. */
  readonly code: string
  /** For people: the receiver's own words where there are any, without secrets. */
  readonly detail: string
}

/** The connection cannot go on: lost credentials, a missing mapping file. Nothing of the record was taken. */
export type Stopped = { readonly kind: 'stopped' } & Reason

export type PutOutcome =
  /** It is there and counts. */
  | { readonly kind: 'accepted'; readonly externalId: string }
  /** It is there, and somebody or something has yet to post it. */
  | { readonly kind: 'written'; readonly externalId: string }
  /** The receiver will not have this record as it is. Others are not held up. */
  | ({ readonly kind: 'refused' } & Reason)
  /** It was surely not taken, and may be later: too many requests, no connection, maintenance. */
  | ({ readonly kind: 'throttled'; readonly retryAfterMs?: number } & Reason)
  /** It may have been taken. It is looked up before it is sent again. */
  | ({ readonly kind: 'unclear' } & Reason)
  | Stopped

export type FindOutcome =
  | { readonly kind: 'there'; readonly externalId: string; readonly state: 'written' | 'posted' }
  | { readonly kind: 'absent' }
  /** No answer, or an answer that proves nothing. It is asked again. */
  | ({ readonly kind: 'unknown_yet' } & Reason)
  /** Cannot be looked up, and need not be: of two with the same key the receiver keeps one. */
  | { readonly kind: 'repeatable' }
  | Stopped

export type CheckOutcome =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'unavailable'; readonly retryAfterMs?: number } & Reason)
  | Stopped

export interface Connector {
  /** How many records one `put` takes at most. */
  readonly pageSize: number
  /** How long one call may take; then its signal fires. */
  readonly attemptMs: number
  /** How long the receiver may go on with a request after we stopped waiting: until then `absent` proves nothing. */
  readonly settlesWithinMs: number
  /** Whether a record could be put now, as far as that can be told without putting one. */
  check(signal: AbortSignal): Promise<CheckOutcome>
  put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]>
  /** The whole record is handed in: many receivers find a key only by customer, entity or date. */
  find(record: ConnectorRecord, signal: AbortSignal): Promise<FindOutcome>
}
