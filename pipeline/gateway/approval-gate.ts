// The port that asks whether something may go on, or waits for a second person. The feature `approvals` implements it.
// Invariant: one thing (kind and id) has one answer at a time, from every process: once it is held, only a decision frees
// it, also when the rules change. So whoever asks may ask again after a crash, and needs no memory of the answer.

import type { ApprovalFacts } from '../../schemas/approvals/approval.js'
import type { ApprovalKind } from '../../schemas/approvals/approval-kind.js'
import type { Caller } from './scopes.js'

/** What holds, and what a rule of it would look at. */
export interface ApprovalRequest {
  readonly kind: ApprovalKind
  /** The permanent name of the thing: a batch, a job, a delivery. */
  readonly id: string
  readonly facts: ApprovalFacts
  /** For whoever decides: ids of the sources, before and after, attempts. JSON values. */
  readonly evidence: Readonly<Record<string, unknown>>
  /** The person who asked for it, and so cannot approve it. */
  readonly requestedBy: Pick<Caller, 'keyId' | 'keyName'> | 'process'
}

export type ApprovalAnswer =
  | { readonly kind: 'free' }
  | { readonly kind: 'held'; readonly approvalId: string }
  /** It must never go out. */
  | { readonly kind: 'rejected'; readonly approvalId: string; readonly reason: string }

/** An approval that was decided just now, by any process. */
export interface ApprovalDecision {
  readonly approvalId: string
  readonly kind: ApprovalKind
  readonly id: string
  readonly state: 'approved' | 'rejected'
}

/** One record on its way to a connection, as far as rules choose by it. */
export interface RecordSubject {
  readonly connection: string
  readonly kind: string
  readonly entityId: string
  readonly customerId: string
}

export interface NeededFacts {
  /** How many periods before are compared; 0: none. */
  readonly periods: number
  /** Whether they are compared customer by customer. */
  readonly customers: boolean
  readonly invoices: boolean
  /** Whether a charge that is corrected was billed. */
  readonly charges: boolean
  readonly sources: boolean
  /** The red flags that hold. */
  readonly flags: readonly string[]
}

export interface ApprovalGate {
  /** Throws when the answer cannot be read or kept: then nothing may go on. */
  ask(request: ApprovalRequest): Promise<ApprovalAnswer>
  /** The answer of before; undefined when it was never held. */
  answerOf(kind: ApprovalKind, id: string): Promise<ApprovalAnswer | undefined>
  /** The same from memory: what this process has asked, and what its watch has told it, beginning with all there was. */
  known(kind: ApprovalKind, id: string): ApprovalAnswer | undefined
  /** How many wait, by kind; none: the kind is not there. */
  waiting(): ReadonlyMap<ApprovalKind, number>
  /** Calls back at each decision; the returned function ends it. A missed call is made good by asking again. */
  onDecision(listener: (decision: ApprovalDecision) => void): () => void
  /** Whether any rule could hold this kind, of a delivery this record: else the facts need not be gathered. */
  concerns(kind: ApprovalKind, record?: RecordSubject): boolean
  /** Which facts of this kind the rules look at, beyond its amounts: others need not be gathered. */
  needs(kind: ApprovalKind, record?: RecordSubject): NeededFacts
}
