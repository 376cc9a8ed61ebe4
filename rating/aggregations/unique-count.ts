// `unique_count`: distinct values of `value`, compared as text. 'a', 'b', 'a' give 2. Exact, never a sketch, so it
// remembers each distinct value for as long as its segment is open.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export interface UniqueCountState {
  readonly kind: 'unique_count'
  readonly seen: Set<string>
}

export function newUniqueCount(): UniqueCountState {
  return { kind: 'unique_count', seen: new Set() }
}

export function addToUniqueCount(state: UniqueCountState, text: string): void {
  state.seen.add(text)
}

export function uniqueCountOf(state: UniqueCountState): Scaled {
  return BigInt(state.seen.size) * scaledOne
}
