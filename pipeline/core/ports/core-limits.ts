// The limits of the pure core: each bounds a queue, a wait, a message, or what an event may bring. `pipeline/config/limits.ts`
// checks them together.

import type { FieldRule } from '../../../schemas/personal-data/field-rules.js'

export interface CoreLimits {
  /** How far an event's `time` may be ahead of its arrival. */
  readonly futureToleranceMs: number
  /** How long an identity is remembered; events older than this at arrival are refused. Infinity: no arrival limits. */
  readonly dedupeHorizonMs: number
  /** How long usage waits for a subscription, from its arrival. */
  readonly parkedTtlMs: number
  /** Bytes of events that may wait (parked, refused at attach, held for history). */
  readonly parkedBytes: number
  /** About how large one output message may be. */
  readonly outputChunkBytes: number
  readonly outputChunkRows: number
  /** A call of the core ends with the customer by whom a billing run reaches so many lines; the next call goes on with it. */
  readonly runLinesPerCommit: number
  /** Fields that no event may bring in the clear. */
  readonly personalFields: readonly FieldRule[]
}

const dayMs = 86_400_000

export const defaultCoreLimits: CoreLimits = {
  futureToleranceMs: 5 * 60_000,
  dedupeHorizonMs: 35 * dayMs,
  parkedTtlMs: 7 * dayMs,
  parkedBytes: 64 * 1024 * 1024,
  outputChunkBytes: 1024 * 1024,
  outputChunkRows: 8192,
  runLinesPerCommit: 2_000,
  personalFields: [],
}

/** For `simulate`: events are taken however early or late they are, and wait without limit. */
export const unlimitedCoreLimits: CoreLimits = {
  ...defaultCoreLimits,
  futureToleranceMs: Number.POSITIVE_INFINITY,
  dedupeHorizonMs: Number.POSITIVE_INFINITY,
  parkedTtlMs: Number.POSITIVE_INFINITY,
  parkedBytes: Number.POSITIVE_INFINITY,
  runLinesPerCommit: Number.POSITIVE_INFINITY,
}
