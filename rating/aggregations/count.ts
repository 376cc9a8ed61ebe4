// `count`: how many events. Three events give 3.

import { type Scaled, scaledOne } from '../../schemas/money/decimal.js'

export interface CountState {
  readonly kind: 'count'
  total: Scaled
}

export function newCount(): CountState {
  return { kind: 'count', total: 0n }
}

export function addToCount(state: CountState): void {
  state.total += scaledOne
}
