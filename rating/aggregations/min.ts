// `min`: the least value. 3, 9 and 4 give 3; no events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'

export interface MinState {
  readonly kind: 'min'
  /** Undefined until the first event, so that 0 is not taken for a value. */
  least: Scaled | undefined
}

export function newMin(): MinState {
  return { kind: 'min', least: undefined }
}

export function addToMin(state: MinState, quantity: Scaled): void {
  if (state.least === undefined || quantity < state.least) state.least = quantity
}
