// The text of a scalar in an event's data, as filters, dimensions, matrix cells and distinct values compare
// it.
// Invariant: equal numbers have one text, their plain decimal: `1.0` is `1` and `1e2` is `100`.

import { plainNumberText } from '../money/decimal-text.js'
import { ExactNumber } from '../money/exact-number.js'

/** Returned for a number of more than 38 digits, or of more than 12 after the point. */
export const tooManyDigits = Symbol('too many digits')

/** Undefined for a value that is neither a text, a number nor a boolean. */
export function scalarText(value: unknown): string | typeof tooManyDigits | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return String(value)
    return Number.isFinite(value) ? (plainNumberText(String(value)) ?? tooManyDigits) : undefined
  }
  if (typeof value === 'boolean') return String(value)
  return value instanceof ExactNumber ? (plainNumberText(value.text) ?? tooManyDigits) : undefined
}
