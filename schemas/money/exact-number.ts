// A JSON number that no double stands for: one whose value is not that of the shortest text of the nearest double, such
// as 9007199254740993, 0.1000000000000000055 or 1e-999999999. All other numbers are JavaScript's own.
// Invariants: nothing here goes through a double; whether a number is a JavaScript number or an ExactNumber follows from
// its value alone, however it is written; the cost is linear in the digits, and an exponent costs nothing.

import { randomBytes } from 'node:crypto'
import { canonicalNumber } from './decimal-text.js'

export class ExactNumber {
  /** The digits of the JSON text. */
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** For stringifyJson of json-text.ts, which makes a number of it; whoever calls JSON.stringify gets the digits as text. */
  toJSON(): string {
    if (!isWriting) return this.text
    written += 1
    return `${numberMark}${this.text}`
  }
}

/** What a JSON number is inside. `text` is in JSON's grammar of numbers. */
export function numberOf(text: string): number | ExactNumber {
  const value = Number(text)
  const shortest = String(value)
  if (shortest === text) return value
  if (!Number.isFinite(value)) return new ExactNumber(text)
  return canonicalNumber(shortest) === canonicalNumber(text) ? value : new ExactNumber(text)
}

/**
 * Stands before the digits of a number while JSON is read or written by way of a text. Nobody outside of this process can
 * know it, so no text that was sent begins with it.
 */
export const numberMark = `number ${randomBytes(16).toString('hex')} `

let isWriting = false
let written = 0

/** From here to `endMarking` an ExactNumber that is written becomes a text that begins with the mark. */
export function beginMarking(): void {
  isWriting = true
  written = 0
}

/** How many were written since `beginMarking`. */
export function endMarking(): number {
  isWriting = false
  return written
}
