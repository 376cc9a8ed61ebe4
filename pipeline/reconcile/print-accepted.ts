// The table of what each connection has, for people: debits and credits on lines of their own, one column per group of outcomes.

import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { plainTable } from '../terminal/table.js'
import type { AcceptedOutcome, AcceptedTotal } from './report.js'

/** Columns in their order; what is in none of them is `other`. */
const columns: readonly (readonly [head: string, outcomes: readonly string[]])[] = [
  ['accepted', ['posted', 'written']],
  ['on its way', ['waiting', 'sending', 'unclear']],
  ['held', ['held']],
  ['refused', ['refused']],
  // The receiver makes a document of its own instead.
  ['not for it', ['superseded']],
  ['to come', ['not_taken_in']],
  ['lost', ['no_delivery']],
]
const known = new Set(columns.flatMap(([, outcomes]) => outcomes))
const always = 1

export function printAccepted(accepted: readonly AcceptedTotal[]): string {
  if (accepted.length === 0) return ''
  const lines = accepted.flatMap(one =>
    (['debit', 'credit'] as const)
      .map(side => ({
        one,
        side,
        cells: [
          ...columns.map(([, names]) => sumOf(one, side, name => names.includes(name))),
          other(one, side),
        ],
      }))
      .filter(({ side }) => one[side] !== '0'),
  )
  const shown = [...columns.map(([head]) => head), 'other'].map(
    (_, index) => index < always || lines.some(({ cells }) => cells[index] !== 0n),
  )
  const isShown = (_: unknown, index: number): boolean => shown[index] === true
  const heads = [...columns.map(([head]) => head), 'other'].filter(isShown)
  const hasDays = accepted.some(({ day }) => day !== '')
  return plainTable(
    ['connection', 'entity', 'currency', 'account', ...(hasDays ? ['day'] : []), 'side', 'ours', ...heads],
    [
      ...Array.from({ length: hasDays ? 6 : 5 }, () => 'left' as const),
      'right',
      ...heads.map(() => 'right' as const),
    ],
    lines.map(({ one, side, cells }) => [
      one.connection,
      one.entity_id,
      one.currency,
      one.account === '' ? one.customer_id : one.account,
      ...(hasDays ? [one.day] : []),
      side,
      one[side],
      ...cells.filter(isShown).map(formatScaled),
    ]),
  )
}

function other(one: AcceptedTotal, side: 'debit' | 'credit'): Scaled {
  return sumOf(one, side, name => !known.has(name))
}

function sumOf(
  { outcomes }: AcceptedTotal,
  side: 'debit' | 'credit',
  isWanted: (outcome: string) => boolean,
): Scaled {
  return outcomes
    .filter(({ outcome }) => isWanted(outcome))
    .reduce((sum, one) => sum + amountOf(one, side), 0n)
}

function amountOf(one: AcceptedOutcome, side: 'debit' | 'credit'): Scaled {
  const parsed = parseDecimal(one[side])
  if (parsed.kind !== 'ok') throw new Error(`${one[side]} is no sum`)
  return parsed.value
}
