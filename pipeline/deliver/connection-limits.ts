// The limits of one connection: how much it holds, and how long it waits.

export interface ConnectionLimits {
  /** The most records in memory, not counting those that the flow gate holds back. */
  readonly openMost: number
  /** The most records that the flow gate holds back; further ones wait in the source stream. */
  readonly heldMost: number
  /** The most records taken in with one step of the log. */
  readonly stepRecords: number
  readonly stepBytes: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** How long a connection that answered `stopped` waits before it is checked again. */
  readonly stoppedMs: number
  /** How long until a record that is written and not posted is looked up again. */
  readonly writtenMs: number
  /** How long after an unclear answer the first look-up comes. */
  readonly lookupMs: number
  readonly lookupsAtOnce: number
  /** After so many failures of its own a record is given up (give-up.ts). */
  readonly ownFailuresMost: number
  /** After so long with failures alone a record is given up that fails while others get through. */
  readonly failingMs: number
}

export const defaultConnectionLimits: ConnectionLimits = {
  openMost: 10_000,
  heldMost: 20_000,
  stepRecords: 500,
  stepBytes: 1 << 20,
  retryMinMs: 1_000,
  retryMaxMs: 300_000,
  stoppedMs: 60_000,
  writtenMs: 600_000,
  lookupMs: 1_000,
  lookupsAtOnce: 100,
  ownFailuresMost: 20,
  failingMs: 24 * 3_600_000,
}
