// Finds the numbers of a JSON text that no double represents, and puts them into the result of JSON.parse.
// Invariants: JSON.parse alone decides what is JSON, how deep it may be and which of two equal keys counts;
// the cost is linear in the text; nothing recurses.
//
// The trick: such a number has 16 digits in a row, or an exponent of three. Most texts have neither; a check
// of every sixteenth character and a short regex show this. In other texts these numbers are quoted with a
// secret mark before them, the text is parsed again, and the marked texts in the result become numbers.

import { ExactNumber, numberMark, numberOf } from './exact-number.js'

/** A number with fewer digits, and an exponent of fewer than three digits, is always exact in a double. */
const digitRun = 16
const longExponent = /\d[eE][-+\d]\d\d/g
const numberText = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/

const quote = 34
const minus = 45
const point = 46
const zero = 48
const nine = 57
const backslash = 92

/** False only when every number of the JSON text is exact in a double. */
export function mayHoldExactNumber(text: string): boolean {
  for (let at = digitRun - 1; at < text.length; at += digitRun) {
    if (!isDigitOrPoint(text.charCodeAt(at))) continue
    const from = runBefore(text, at)
    const until = runAfter(text, at)
    if (until - from >= digitRun && beginsNumber(text, from)) return true
    // The next run of digits begins after this one.
    at = until
  }
  longExponent.lastIndex = 0
  for (let found = longExponent.exec(text); found !== null; found = longExponent.exec(text)) {
    if (beginsNumber(text, runBefore(text, found.index))) return true
  }
  return false
}

/** `value` is the result of JSON.parse; returns it with an ExactNumber wherever a double is not exact. */
export function withExactNumbers(text: string, value: unknown): unknown {
  const found: ExactNumber[] = []
  const marked = markNumbers(text, found)
  return found.length === 0 ? value : unmarked(JSON.parse(marked))
}

/** Returns the text with its exact numbers as marked texts, and adds the numbers to `found`. */
function markNumbers(text: string, found: ExactNumber[]): string {
  let marked = ''
  let copied = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === quote) {
      at = textEnd(text, at + 1)
      continue
    }
    if (code !== minus && (code < zero || code > nine)) {
      at += 1
      continue
    }
    const until = numberEnd(text, at)
    const value = until - at < 5 ? 0 : exactNumber(text.slice(at, until))
    if (value instanceof ExactNumber) {
      found.push(value)
      marked += `${text.slice(copied, at)}"${numberMark}${value.text}"`
      copied = until
    }
    at = until
  }
  return copied === 0 ? text : marked + text.slice(copied)
}

function exactNumber(text: string): number | ExactNumber {
  return numberText.test(text) ? numberOf(text) : 0
}

/** Replaces the marked texts of a tree, in place. */
function unmarked(root: unknown): unknown {
  const holder = [root]
  const open: object[] = [holder]
  for (let tree = open.pop(); tree !== undefined; tree = open.pop()) {
    const members = tree as Record<string, unknown>
    // Own members only; a member named __proto__ is also an own member and is assigned as one.
    for (const key of Object.keys(members)) {
      const member = members[key]
      if (typeof member === 'object' && member !== null) open.push(member)
      else if (typeof member === 'string' && isMarked(member)) {
        members[key] = new ExactNumber(member.slice(numberMark.length))
      }
    }
  }
  return holder[0]
}

/** Most texts are shorter than the mark. */
function isMarked(text: string): boolean {
  return text.length > numberMark.length && text.startsWith(numberMark)
}

/** The index after the closing quote. */
function textEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code === backslash) at += 1
  }
  return text.length
}

function numberEnd(text: string, from: number): number {
  let at = from + 1
  for (; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    // Digits, points, signs and the letter of an exponent.
    if (!isDigitOrPoint(code) && code !== minus && code !== 43 && (code | 32) !== 101) break
  }
  return at
}

function isDigitOrPoint(code: number): boolean {
  return (code >= zero && code <= nine) || code === point
}

function runBefore(text: string, at: number): number {
  let from = at
  while (from > 0 && isDigitOrPoint(text.charCodeAt(from - 1))) from -= 1
  return from
}

function runAfter(text: string, at: number): number {
  let until = at + 1
  while (until < text.length && isDigitOrPoint(text.charCodeAt(until))) until += 1
  return until
}

/** Whether a number may begin here: after a bracket, colon, comma or white space, or at the start. */
function beginsNumber(text: string, from: number): boolean {
  const start = text.charCodeAt(from - 1) === minus ? from - 1 : from
  if (start === 0) return true
  const before = text.charCodeAt(start - 1)
  return before === 91 || before === 58 || before === 44 || before <= 32
}
