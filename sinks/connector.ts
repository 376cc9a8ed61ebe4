// The port of a connector: what the deliver loop of a connection asks of it, and what it may answer.
//
// A connector takes single records and answers for each one. It makes one attempt per call: it does not retry
// or wait, and keeps no state that a restart would lose. pipeline/deliver/connection-loop.ts does all of
// that.
// Invariants:
// 1. `put` answers one outcome per record, in their order. It never throws when the receiver fails.
// 2. The document that the receiver keeps contains our key (as external id, reference or metadata), because
//    receivers forget headers after minutes or hours. `find` looks for that key.
// 3. Only the receiver's answer about a record proves success. An unknown result is `unclear`, never a guess.

export const recordKinds = [
  'batch_line',
  'journal',
  'credit_note',
  'release',
  'customer_standing',
  'support_case',
] as const
export type RecordKind = (typeof recordKinds)[number]

/** One document to deliver, with the same bytes at every attempt. */
export interface ConnectorRecord {
  readonly kind: RecordKind
  /** The id of the record; for a journal its `journal_id`. */
  readonly id: string
  /** Our key, at most 40 letters, digits, `_` and `-`. The key of a record never changes. */
  readonly key: string
  /** When Weir recorded it: RFC 3339. */
  readonly recordedAt: string
  /** The record in wire form, in snake_case. */
  readonly document: Readonly<Record<string, unknown>>
  /** The id of a record of the same connection, or of the charge that one is for, which must be settled first. */
  readonly after?: string
}

/**
 * Where a record is put, in the receiver's terms, such as their customer: what a look-up needs and the record does not have.
 * It is kept with the delivery before the record is sent, so a mapping that changes later hides nothing that was sent.
 */
export type Place = Readonly<Record<string, string>>

/** A record on its way, as `put` and `find` get it. */
export interface SentRecord extends ConnectorRecord {
  /** From `place`, for the connectors that have it. Absent with what an earlier version of Weir sent. */
  readonly place?: Place
  /** The receiver's id of the request that took it and judges it later: what `put` said last with `taken`. */
  readonly receipt?: string
}

/** Tells that the receiver took these and judges them later. Resolves when that is kept; from then on a restart knows it. */
export type Taken = (keys: readonly string[], receipt: string) => Promise<void>

interface Reason {
  /** A stable code in snake_case. */
  readonly code: string
  /** Text for people: the receiver's own words if it sent any, without secrets. */
  readonly detail: string
}

/** The connection cannot go on: lost credentials, a missing mapping file. No record was taken. */
export type Stopped = { readonly kind: 'stopped' } & Reason

export type PutOutcome =
  /** The receiver has the record, and it is in effect. */
  | { readonly kind: 'accepted'; readonly externalId: string }
  /** The receiver has the record, but a person or a job has yet to post it. */
  | { readonly kind: 'written'; readonly externalId: string }
  /** The receiver refuses this record as it is. Other records go on. */
  | ({ readonly kind: 'refused' } & Reason)
  /** The receiver did certainly not take the record but may later: rate limit, no connection, maintenance. */
  | ({ readonly kind: 'throttled'; readonly retryAfterMs?: number } & Reason)
  /** The receiver may have taken the record. It is looked up before it is sent again. */
  | ({ readonly kind: 'unclear' } & Reason)
  /** The receiver makes a document of its own in place of this one, so it gets none of ours, and there is nothing to mend. */
  | ({ readonly kind: 'not_for_receiver' } & Reason)
  | Stopped

export type Placed = { readonly kind: 'placed'; readonly place: Place } | PutOutcome

/** The place that is kept with the record, else the one that it has now. */
export async function placeOf(
  connector: Required<Pick<Connector, 'place'>>,
  record: SentRecord,
): Promise<Placed> {
  return record.place === undefined ? connector.place(record) : { kind: 'placed', place: record.place }
}

/** What a sending would change there, in words; or why that cannot be told. */
export type Preview = ({ readonly kind: 'would' } & { readonly detail: string }) | PutOutcome

export type FindOutcome =
  | { readonly kind: 'there'; readonly externalId: string; readonly state: 'written' | 'posted' }
  | { readonly kind: 'absent' }
  /** No answer, or an answer that proves nothing. The record is looked up again later. */
  | ({ readonly kind: 'unknown_yet' } & Reason)
  /** The receiver has no look-up and needs none: of two records with the same key it keeps one. */
  | { readonly kind: 'repeatable' }
  /** The receiver has judged it, and does not put it into effect as it is. */
  | ({ readonly kind: 'refused' } & Reason)
  | Stopped

export type CheckOutcome =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'unavailable'; readonly retryAfterMs?: number } & Reason)
  | Stopped

export interface Connector {
  /** The largest number of records for one `put`. */
  readonly pageSize: number
  /** The longest that one call may take; after that its signal fires. */
  readonly attemptMs: number
  /** How long a receiver may still work on a request that we gave up; `absent` proves nothing before that. */
  readonly settlesWithinMs: number
  /** Whether the receiver would take a record now, as far as this is known without sending one. */
  check(signal: AbortSignal): Promise<CheckOutcome>
  /** Where `put` will put this record, if a look-up depends on more than the record itself. Another outcome: it is not sent. */
  place?(record: ConnectorRecord): Promise<Placed>
  /** Writes where the place of a record says, whatever its mapping says by now. `taken` absent: nothing is kept of it. */
  put(records: readonly SentRecord[], signal: AbortSignal, taken?: Taken): Promise<readonly PutOutcome[]>
  /** Takes the whole record, because many receivers find a key only by customer, entity or date. */
  find(record: SentRecord, signal: AbortSignal): Promise<FindOutcome>
  /** Reads what stands there and tells what `put` would change. It writes nothing. */
  preview?(record: ConnectorRecord, signal: AbortSignal): Promise<Preview>
  /**
   * Lists what the receiver has of ours in a range of accounting dates, for the reconciliation with the receiver itself.
   * Throws when the list cannot be read to its end: half a list would name as missing what is there.
   */
  documents?(range: DocumentRange, signal: AbortSignal): AsyncIterable<ReceiverDocument>
  /**
   * The receiver's account of each line of a journal, in their order, as `documents` names it; undefined: it is not known. A
   * connector whose documents have no lines leaves it out.
   */
  accountsOf?(record: ConnectorRecord): Promise<readonly string[] | undefined>
}

/** Accounting dates, both included: `YYYY-MM-DD`. */
export interface DocumentRange {
  readonly from: string
  readonly until: string
}

export interface ReceiverDocument {
  /** Our key, as the document contains it. */
  readonly key: string
  readonly externalId: string
  readonly state: 'written' | 'posted'
  /** `YYYY-MM-DD`. */
  readonly date?: string
  readonly currency?: string
  /** The sum of its debits, a decimal. */
  readonly debit?: string
  /** Of usage, where the receiver keeps what is used and makes the amount of it later: a decimal. */
  readonly quantity?: string
  /** One for each account of the receiver in it. */
  readonly lines?: readonly ReceiverLine[]
}

export interface ReceiverLine {
  readonly account: string
  /** Debits less credits, a decimal. */
  readonly balance: string
}
