// What they billed of a price in the period: lines whose service period begins in it.

import { minorUnits } from '../../../schemas/money/currency.js'
import { decimalScale, parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { earlier, later, parseInstant } from '../../../schemas/time.js'
import type { BilledLine, Period } from '../imported.js'

export interface BilledTotal {
  readonly lines: readonly BilledLine[]
  readonly rounded: Scaled
  /** Before their rounding, where every line tells it. */
  readonly exact: Scaled | undefined
  /** Where every line that counts units tells it. */
  readonly quantity: Scaled | undefined
  readonly fromNs: bigint
  readonly untilNs: bigint
  /** When the last of the invoices was issued. */
  readonly issuedNs: bigint | undefined
  /** What their rounding can come to at most. */
  readonly roundingMost: Scaled
}

export function isInPeriod({ from }: BilledLine, { fromNs, untilNs }: Period): boolean {
  const atNs = parseInstant(from)
  return atNs !== undefined && atNs >= fromNs && atNs < untilNs
}

export function amountOf(line: BilledLine): Scaled {
  return scaled(line.amount) ?? 0n
}

export function billedTotal(lines: readonly BilledLine[]): BilledTotal {
  const exacts = lines.map(line => scaled(line.exact))
  const counted = lines.filter(line => line.quantity !== undefined)
  const quantities = counted.map(line => scaled(line.quantity))
  const starts = lines.map(line => parseInstant(line.from) ?? 0n)
  const ends = lines.map(line => parseInstant(line.until) ?? 0n)
  const issued = lines.map(line => (line.issued_at === undefined ? undefined : parseInstant(line.issued_at)))
  const known = issued.filter(one => one !== undefined)
  return {
    lines,
    rounded: lines.reduce((sum, line) => sum + amountOf(line), 0n),
    exact: exacts.every(one => one !== undefined) ? sumOf(exacts) : undefined,
    quantity:
      counted.length > 0 && quantities.every(one => one !== undefined) ? sumOf(quantities) : undefined,
    fromNs: starts.reduce(earlier),
    untilNs: ends.reduce(later),
    issuedNs: known.length === 0 ? undefined : known.reduce(later),
    roundingMost: halfUnit(lines[0]?.currency ?? '') * BigInt(lines.length),
  }
}

export function halfUnit(currency: string): Scaled {
  return 10n ** BigInt(decimalScale - (minorUnits(currency) ?? 2)) / 2n
}

export function scaled(text: string | undefined): Scaled | undefined {
  const read = parseDecimal(text)
  return read.kind === 'ok' ? read.value : undefined
}

function sumOf(all: readonly (Scaled | undefined)[]): Scaled {
  return all.reduce<Scaled>((sum, one) => sum + (one ?? 0n), 0n)
}
