// When what was read becomes a commit.
//
// All partitions commit to one beat of the clock, every `lingerMs`, so that their commits end together and go into one
// insert per table at once. Out of step, rows wait as long again for those of other partitions, or each partition's
// become an insert of their own, which is what ClickHouse pays for at a moderate load.

import type { EngineLimits } from '../config/limits.js'

type BeatLimits = Pick<EngineLimits, 'lingerMs' | 'settleMs'>

/**
 * How long what is there still waits for company. Behind a batch that is younger than a beat, until the next beat; else
 * hardly at all, so that an event that comes alone is committed at once. `oldestReadAtMs`: when the first of it came;
 * `processedAtMs`: when the last batch was taken.
 */
export function untilCommitMs(
  { lingerMs, settleMs }: BeatLimits,
  oldestReadAtMs: number,
  processedAtMs: number,
  nowMs: number,
): number {
  const isAlone = lingerMs === 0 || oldestReadAtMs - processedAtMs >= lingerMs
  if (isAlone) return oldestReadAtMs + Math.min(settleMs, lingerMs) - nowMs
  return Math.ceil(oldestReadAtMs / lingerMs) * lingerMs - nowMs
}
