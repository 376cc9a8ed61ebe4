// The port of the gates of customers: what the status of a check (KYC, KYB, AML, VAT) holds back. Connections ask before each
// record, billing before each run, and exceptions ask which words are known. pipeline/gates answers.
// Invariant: what is answered is a function of the statuses that are known, the rules and the clock, never of the order in
// which the statuses came.

import type { HeldFromRuns } from '../../schemas/billing/held-back.js'
import type { Gate } from '../../schemas/lifecycle/gates.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { Hold } from './flow-gate.js'

/** A subscription, or all of a customer, that has not been activated: runs leave it out. */
export interface NotActivated extends HeldFromRuns {
  readonly reason: string
  /** RFC 3339. */
  readonly since: string
}

export interface StatusWord {
  readonly gate: Gate
  /** As `plain` of pipeline/gates writes it. */
  readonly word: string
  readonly folded: string
}

export interface StatusGates {
  /** Whether this record waits at this connection. */
  record(connection: string, record: ConnectorRecord): Hold | undefined
  /** Calls back when a status has changed. */
  onChange(listener: () => void): () => void
  notActivated(): Promise<readonly NotActivated[]>
  /** What each word of a status means; all others are unknown. */
  statusWords(): readonly StatusWord[]
}

/** For whoever runs without gates. */
export const openGates: StatusGates = {
  record: () => undefined,
  onChange: () => () => {},
  notActivated: async () => [],
  statusWords: () => [],
}
