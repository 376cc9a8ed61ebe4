// Whether a value passes a filter of a meter, for the oracle: bounds as exact fractions. Shares nothing with meter-filter.ts
// but the filter itself.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly } from '../../../rating/testing/slow-oracle.js'
import type { MeterFilter } from '../../../schemas/catalog/meter-filter.js'
import { comparedText, numberText } from './numbers.js'

export function filtered(value: unknown, filter: MeterFilter): 'passes' | 'stops' | 'value_out_of_range' {
  const text = comparedText(value)
  if (text === 'value_out_of_range') return text
  const isListed = (values: readonly string[]) => text !== undefined && values.includes(text)
  if (filter.anyOf !== undefined) return isListed(filter.anyOf) ? 'passes' : 'stops'
  const { not = [], gt, gte, lt, lte } = filter
  if (isListed(not)) return 'stops'
  if ([gt, gte, lt, lte].every(bound => bound === undefined)) return 'passes'
  const number = exactOf(typeof value === 'string' ? value : numberText(value))
  if (number === undefined) return 'stops'
  const holds =
    (gt === undefined || number.gt(exactly(gt))) &&
    (gte === undefined || number.gte(exactly(gte))) &&
    (lt === undefined || number.lt(exactly(lt))) &&
    (lte === undefined || number.lte(exactly(lte)))
  return holds ? 'passes' : 'stops'
}

/** A decimal text with any exponent that tests write. */
function exactOf(text: string | undefined): Exact | undefined {
  const match = /^([+-]?)([0-9]+(?:[.][0-9]+)?)(?:[eE]([+-]?[0-9]{1,3}))?$/.exec(text ?? '')
  if (match === null) return undefined
  const power = Number(match[3] ?? 0)
  const ten = Exact.of(10n ** BigInt(Math.abs(power)))
  const size = power < 0 ? Exact.of(match[2]!).div(ten) : Exact.of(match[2]!).times(ten)
  return match[1] === '-' ? size.times(-1) : size
}
