// What a level is when a segment begins: a quantity, or, of a persistent `unique_count`, the values that are present.

import { magnitude, type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export type Level = Scaled | ReadonlySet<string>

/** No values. */
export const nobody: ReadonlySet<string> = new Set()

/** 0n stands for no level of either kind. */
export function presentIn(level: Level): ReadonlySet<string> {
  return typeof level === 'bigint' ? nobody : level
}

export function levelSize(level: Level): Scaled {
  return typeof level === 'bigint' ? magnitude(level) : BigInt(level.size) * scaledOne
}
