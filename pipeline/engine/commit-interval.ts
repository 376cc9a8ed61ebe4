// When the events that were read are processed and committed.
//
// All partitions commit at the same multiples of `lingerMs` on the clock, so that their commits end together and their rows
// go into one insert per table. Out of step, rows would wait as long again for those of other partitions, or each partition
// would cause an insert of its own, and ClickHouse would merge more parts.

import type { EngineLimits } from '../config/limits.js'

type IntervalLimits = Pick<EngineLimits, 'lingerMs' | 'settleMs'>

/**
 * How long the events that were read wait for more, in milliseconds. Within one interval of the last step they wait until the
 * next interval begins; otherwise at most `settleMs`, so that an event that comes alone is committed at once.
 * `oldestReadAtMs`: when the first of them was read; `processedAtMs`: when the last step began.
 */
export function untilCommitMs(
  { lingerMs, settleMs }: IntervalLimits,
  oldestReadAtMs: number,
  processedAtMs: number,
  nowMs: number,
): number {
  const isAlone = lingerMs === 0 || oldestReadAtMs - processedAtMs >= lingerMs
  if (isAlone) return oldestReadAtMs + Math.min(settleMs, lingerMs) - nowMs
  return Math.ceil(oldestReadAtMs / lingerMs) * lingerMs - nowMs
}
