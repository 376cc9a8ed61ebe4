// Counts what a run left at the receiver against what it should have. Pure.
// Invariant: sums are of whole numbers, so that they agree to the last digit or not at all.

import type { BookedDocument, BookedLine } from '../../../sinks/testing/booked.js'
import type { ExpectedDocument } from './expected-documents.js'

/** How a delivery stands in the end, by its log. */
export type Standing = 'posted' | 'refused' | 'open'

export interface Count {
  /** The receiver does not have it, and the log does not say that it waits or was refused. */
  readonly lost: number
  /** Documents beyond the first of a record, and documents of no record. */
  readonly twice: number
  /** Documents that are not what their record says, or whose debits and credits differ; and sums by currency and account that differ. */
  readonly unbalanced: number
  /** Documents that came before the one that they correct. */
  readonly outOfOrder: number
  /** Neither posted nor refused when the run ended. */
  readonly open: number
  readonly refused: number
}

export function countOf(
  expected: readonly ExpectedDocument[],
  booked: readonly BookedDocument[],
  standingOf: (key: string) => Standing,
  isJournal: boolean,
): Count {
  const found = new Map<string, { readonly at: number; readonly document: BookedDocument }>()
  let twice = 0
  const known = new Set(expected.map(({ key }) => key))
  for (const [at, document] of booked.entries()) {
    if (found.has(document.key) || !known.has(document.key)) twice += 1
    else found.set(document.key, { at, document })
  }
  let [lost, unbalanced, outOfOrder, open, refused] = [0, 0, 0, 0, 0]
  const missing: BookedLine[] = []
  for (const { key, lines, after } of expected) {
    const standing = standingOf(key)
    if (standing === 'open') open += 1
    if (standing === 'refused') refused += 1
    const there = found.get(key)
    if (there === undefined) {
      missing.push(...lines)
      if (standing === 'posted') lost += 1
      continue
    }
    if (!isSame(sumsOf(there.document.lines), sumsOf(lines))) unbalanced += 1
    else if (isJournal && !isBalanced(there.document.lines)) unbalanced += 1
    const first = after === undefined ? undefined : found.get(after)
    if (after !== undefined && (first === undefined || first.at > there.at)) outOfOrder += 1
  }
  const theirs = sumsOf([...booked.flatMap(({ lines }) => lines), ...missing])
  const ours = sumsOf(expected.flatMap(({ lines }) => lines))
  for (const key of new Set([...theirs.keys(), ...ours.keys()]))
    if ((theirs.get(key) ?? 0n) !== (ours.get(key) ?? 0n)) unbalanced += 1
  return { lost, twice, unbalanced, outOfOrder, open, refused }
}

/** By currency and account, without those of zero. */
function sumsOf(lines: readonly BookedLine[]): Map<string, bigint> {
  const sums = new Map<string, bigint>()
  for (const { currency, account, amount } of lines) {
    const key = JSON.stringify([currency, account])
    sums.set(key, (sums.get(key) ?? 0n) + wholeOf(amount))
  }
  for (const [key, sum] of sums) if (sum === 0n) sums.delete(key)
  return sums
}

function isSame(one: ReadonlyMap<string, bigint>, other: ReadonlyMap<string, bigint>): boolean {
  return one.size === other.size && [...one].every(([key, sum]) => other.get(key) === sum)
}

function isBalanced(lines: readonly BookedLine[]): boolean {
  return sumsOf(lines.map(line => ({ ...line, account: '' }))).size === 0
}

/** In units of 10^-12; throws for what is no decimal. */
function wholeOf(amount: string): bigint {
  const [, sign, whole = '', part = ''] = /^(-?)(\d+)(?:\.(\d{1,12}))?$/.exec(amount) ?? []
  if (whole === '') throw new Error(`${amount} is no decimal`)
  const value = BigInt(whole + part.padEnd(12, '0'))
  return sign === '-' ? -value : value
}
