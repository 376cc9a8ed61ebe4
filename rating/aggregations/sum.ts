// `sum`: the values added up. 1.5, 2 and 0.25 give 3.75. No events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'

export interface SumState {
  readonly kind: 'sum'
  total: Scaled
}

export function newSum(): SumState {
  return { kind: 'sum', total: 0n }
}

export function addToSum(state: SumState, quantity: Scaled): void {
  state.total += quantity
}
