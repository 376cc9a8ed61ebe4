// The limits of one connection: how much it holds, and how long it waits.

export interface ConnectionLimits {
  readonly openMost: number
  /** One step of the log holds so many records that are taken in. */
  readonly stepRecords: number
  readonly stepBytes: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** A connection that cannot go on is asked again after this. */
  readonly stoppedMs: number
  /** What is written and not posted is looked at again after this. */
  readonly writtenMs: number
  /** The first look-up after an unclear answer. */
  readonly lookupMs: number
  readonly lookupsAtOnce: number
}

export const defaultConnectionLimits: ConnectionLimits = {
  openMost: 10_000,
  stepRecords: 500,
  stepBytes: 1 << 20,
  retryMinMs: 1_000,
  retryMaxMs: 300_000,
  stoppedMs: 60_000,
  writtenMs: 600_000,
  lookupMs: 1_000,
  lookupsAtOnce: 100,
}
