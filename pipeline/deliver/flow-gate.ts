// The port of the flow gate: the loop of a feed asks it before each range, the loop of a connection before each
// record, and billing before a run is taken and before batches are handed out. pipeline/flow answers; of records also
// approvals do (pipeline/connections).
// Invariants:
// 1. The question comes before anything leaves. What has begun to leave is finished and never cut off.
// 2. A hold has a code and a reason, so that whoever waits can be told why.

import type { Attempt } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { pauseFor } from '../broker/back-off.js'
import type { Feed } from './feed.js'

export const holdCodes = [
  /** Somebody paused this feed or connection. */
  'paused',
  /** An incident is open, and what this belongs to has not been released yet. */
  'incident',
  /** The mode, a window or the connection says that everything is computed and nothing leaves. */
  'read_only',
  /** The same, and no billing run is taken. */
  'frozen',
  /** The connection is in controlled mode, and its allow-list does not name the record. */
  'not_on_allow_list',
  /** A rule of approvals holds it until a second person releases it. */
  'waiting_approval',
  /** A check of the customer (KYC, KYB, AML, VAT) does not stand as a rule asks. */
  'held_by_gate',
  /** It comes after a record that was refused (record-order.ts). */
  'waits_for_record',
] as const
export type HoldCode = (typeof holdCodes)[number]

export interface Hold {
  readonly code: HoldCode
  /** One sentence for people: who or what holds it, and why. */
  readonly detail: string
  /** When it ends by itself; epoch milliseconds. Absent: somebody has to act. */
  readonly untilMs?: number
}

/** Somebody has decided that the record never leaves, or has to decide whether it does: it is set aside with this code. */
export interface Refusal {
  readonly isFinal: true
  readonly code: typeof rejectedByApproval | typeof originalDiscarded
  readonly detail: string
}

export const rejectedByApproval = 'rejected_by_approval'
/** The record that it comes after was discarded: somebody has to say whether it goes all the same. */
export const originalDiscarded = 'original_discarded'

/** The gate of one record, as the loop of its connection asks it. */
export interface RecordGate {
  record(
    connection: string,
    record: ConnectorRecord,
    attempts: readonly Attempt[],
  ): Promise<Hold | Refusal | undefined>
  /** Calls back when something that it answered may have changed. */
  onChange(listener: () => void): () => void
}

export const weirModes = ['normal', 'read_only', 'frozen'] as const
export type WeirMode = (typeof weirModes)[number]

/** What holds Weir as a whole now, for readiness and metrics. */
export interface FlowSummary {
  readonly mode: WeirMode
  /** Sentences about the mode, open windows and an open incident; none: nothing is held. */
  readonly notes: readonly string[]
  /** Names of the freeze windows that are open now. */
  readonly openWindows: readonly string[]
  readonly isIncidentOpen: boolean
}

export interface FlowGate {
  /** Whether the feed's next range waits. A connection's feed takes records in unless it is paused. */
  feed(feed: Feed): Hold | undefined
  /** Whether this record waits at this connection. */
  record(connection: string, record: ConnectorRecord): Promise<Hold | undefined>
  /** Whether no billing run of this entity is taken; undefined: a run of all entities. */
  billingRun(entityId: string | undefined): Hold | undefined
  /** Whether the batches of this entity are not handed out. */
  batches(entityId: string): Hold | undefined
  /** Calls back after each change that somebody makes. The end of a hold with `untilMs` is no such change. */
  onChange(listener: () => void): () => void
  /** Reads what was set again, so that a change that this process wrote counts at once. */
  refresh(): Promise<void>
  summary(): FlowSummary
}

/** The gate of one feed, as its deliverer asks it. */
export interface FeedGate {
  hold(): Hold | undefined
  onChange(listener: () => void): () => void
}

export function gateOfFeed(gate: Pick<FlowGate, 'feed' | 'onChange'>, feed: Feed): FeedGate {
  return { hold: () => gate.feed(feed), onChange: listener => gate.onChange(listener) }
}

/** Resolves at the next change, after `mostMs`, or when the signal fires. */
export async function untilChange(
  gate: Pick<FlowGate, 'onChange'>,
  mostMs: number,
  signal: AbortSignal,
): Promise<void> {
  const changed = new AbortController()
  const forget = gate.onChange(() => changed.abort())
  await pauseFor(mostMs, AbortSignal.any([signal, changed.signal]))
  forget()
}
