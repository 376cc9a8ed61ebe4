// Reads and writes JSON text, and checks what a string or a tree may hold. All JSON from outside is read
// here, and events are written here.
// Invariants: bytes that are not UTF-8 are refused, never replaced; a number keeps its value, however many
// digits it has; no check here recurses deeper than `maxDepth`.

import { isAscii, isUtf8 } from 'node:buffer'
import { beginMarking, ExactNumber, endMarking, numberMark } from '../money/exact-number.js'
import { mayHoldExactNumber, withExactNumbers } from '../money/exact-number-text.js'
import { pointerTo } from '../rejection.js'

/** Limit of nesting of objects and arrays; `data` itself is the first level. */
export const maxDepth = 64

const anySurrogate = /[\ud800-\udfff]/
const unpairedSurrogate = /\p{Surrogate}/u

export type JsonResult =
  | { readonly kind: 'ok'; readonly value: unknown }
  | { readonly kind: 'malformed'; readonly detail: string }

/** The text of UTF-8 bytes without a byte order mark; undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(buffer)) return buffer.toString('latin1')
  if (!isUtf8(buffer)) return undefined
  return withoutByteOrderMark(buffer.toString('utf8'))
}

export function withoutByteOrderMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
}

/** Like JSON.parse, but a number that no double represents becomes an ExactNumber. */
export function parseJson(text: string): JsonResult {
  try {
    const value: unknown = JSON.parse(text)
    return { kind: 'ok', value: mayHoldExactNumber(text) ? withExactNumbers(text, value) : value }
  } catch (error) {
    // On a string JSON.parse throws only a SyntaxError; any other error is a bug and is rethrown.
    if (!(error instanceof SyntaxError)) throw error
    return { kind: 'malformed', detail: error.message }
  }
}

const markedNumber = new RegExp(`"${numberMark}([^"]*)"`, 'g')

/**
 * Like JSON.stringify, but an ExactNumber or a bigint is written as a number with its digits. '' for values
 * that JSON cannot represent. Throws a TypeError for a circular value.
 */
export function stringifyJson(value: unknown): string {
  let count = 0
  let text: string
  beginMarking()
  try {
    text = stringify(value)
  } finally {
    count = endMarking()
  }
  return count === 0 ? text : text.replace(markedNumber, '$1')
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch (error) {
    // JSON.stringify throws for a bigint and for a circular value; the latter throws again below.
    if (!(error instanceof TypeError)) throw error
    return (
      JSON.stringify(value, (_, member: unknown) =>
        typeof member === 'bigint' ? new ExactNumber(String(member)).toJSON() : member,
      ) ?? ''
    )
  }
}

/** Whether a string is Unicode text: every surrogate is paired, so UTF-8 represents the string exactly. */
export function isUnicodeText(text: string): boolean {
  return isShortAscii(text) || !anySurrogate.test(text) || !unpairedSurrogate.test(text)
}

/** Whether a text is short ASCII; the loop costs a third of a regex call. */
function isShortAscii(text: string): boolean {
  if (text.length > 40) return false
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 127) return false
  }
  return true
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber)
  )
}

export interface TreeProblem {
  readonly pointer: string
  readonly detail: string
}

/** Why a JSON tree cannot be hashed and stored exactly: it is too deep, or a string is not Unicode text. */
export function treeProblem(value: unknown, depth = 0): TreeProblem | undefined {
  if (typeof value === 'string') {
    return isUnicodeText(value) ? undefined : { pointer: '', detail: 'holds an unpaired surrogate' }
  }
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return undefined
  if (depth === maxDepth) return { pointer: '', detail: `is nested deeper than ${maxDepth} levels` }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const problem = memberProblem(value[i], i, depth)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  // A JSON tree inherits no members, so the cheaper `in` finds the same keys.
  for (const key in value) {
    if (!isUnicodeText(key)) return { pointer: '', detail: 'has a key with an unpaired surrogate' }
    const problem = memberProblem((value as Record<string, unknown>)[key], key, depth)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Most members of events are texts and numbers; they are checked without a recursive call. */
function memberProblem(member: unknown, key: string | number, depth: number): TreeProblem | undefined {
  if (typeof member === 'string' ? isUnicodeText(member) : typeof member !== 'object') return undefined
  const problem = treeProblem(member, depth + 1)
  if (problem === undefined) return undefined
  return { pointer: `${pointerTo('', key)}${problem.pointer}`, detail: problem.detail }
}
