// `max`: the greatest value. 3, 9 and 4 give 9; -3 and -9 give -3; no events: 0.

import type { Scaled } from '../../schemas/money/decimal.js'

export interface MaxState {
  readonly kind: 'max'
  /** Undefined until the first event, so that a lone negative value is not lost against 0. */
  greatest: Scaled | undefined
}

export function newMax(): MaxState {
  return { kind: 'max', greatest: undefined }
}

export function addToMax(state: MaxState, quantity: Scaled): void {
  if (state.greatest === undefined || quantity > state.greatest) state.greatest = quantity
}
