// A JSON number that no double represents: its value differs from the shortest text of the nearest double, as
// with 9007199254740993, 0.1000000000000000055 or 1e-999999999. All other numbers are JavaScript numbers.
// Invariants: nothing here goes through a double; whether a number is a JavaScript number or an ExactNumber
// follows from its value alone, however it is written; the cost is linear in the digits, and an exponent
// costs nothing.

import { randomBytes } from 'node:crypto'
import { canonicalNumber } from './decimal-text.js'

export class ExactNumber {
  /** The digits of the JSON text. */
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  /** Lets stringifyJson (json-text.ts) write a number; JSON.stringify alone writes the digits as text. */
  toJSON(): string {
    if (!isWriting) return this.text
    written += 1
    return `${numberMark}${this.text}`
  }
}

/** The value of a JSON number in memory. `text` follows JSON's grammar of numbers. */
export function numberOf(text: string): number | ExactNumber {
  const value = Number(text)
  const shortest = String(value)
  if (shortest === text) return value
  if (!Number.isFinite(value)) return new ExactNumber(text)
  return canonicalNumber(shortest) === canonicalNumber(text) ? value : new ExactNumber(text)
}

/**
 * The prefix of a number's digits while JSON is read or written with numbers as texts. It is random and stays
 * in this process, so no text from outside begins with it.
 */
export const numberMark = `number ${randomBytes(16).toString('hex')} `

let isWriting = false
let written = 0

/** Until `endMarking`, an ExactNumber is written as a text that begins with the mark. */
export function beginMarking(): void {
  isWriting = true
  written = 0
}

/** Returns how many ExactNumbers were written since `beginMarking`. */
export function endMarking(): number {
  isWriting = false
  return written
}
