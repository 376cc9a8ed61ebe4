// What an expression of a meter comes to for one event, for the oracle: exact fractions, over the tree that the parser of
// schemas makes of the text. The text decides: + - * / as in arithmetic, rounding half away from zero, one rounding at
// the end, to the places of `convert` or to twelve.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly } from '../../../rating/testing/slow-oracle.js'
import type { Meter } from '../../../schemas/catalog/catalog.js'
import { type Expression, parseExpression } from '../../../schemas/catalog/expression.js'
import { parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { comparedText, quantityOf } from './numbers.js'

/** Whether a meter computes what it reads, event by event. */
export function isDerived({ values, expression, convert }: Meter): boolean {
  return values !== undefined || expression !== undefined || convert?.round !== undefined
}

/** `at`: the value at a path into data. */
export function derivedIn(
  meter: Meter,
  at: (path: readonly string[]) => unknown,
): { quantity: Scaled; text: string } | string {
  if (meter.values !== undefined) {
    const texts = meter.values.map(path => comparedText(at(path)))
    for (const text of texts) {
      if (text === undefined) return 'invalid_value'
      if (text === 'value_out_of_range') return text
    }
    return { quantity: 10n ** 12n, text: JSON.stringify(texts) }
  }
  const parsed = meter.expression === undefined ? undefined : parseExpression(meter.expression)
  const fields = parsed?.kind === 'ok' ? parsed.expression.fields : [meter.value!]
  const values: Exact[] = []
  for (const path of fields) {
    const quantity = quantityOf(at(path))
    if (typeof quantity === 'string') return quantity
    values.push(exactly(quantity))
  }
  const value = parsed?.kind === 'ok' ? treeValue(parsed.expression.root, values) : values[0]
  if (value === undefined) return 'invalid_value'
  const text = rounded(meter, value)
  if (text.replace(/^-/, '').split('.')[0]!.length > 26) return 'value_out_of_range'
  if (text.startsWith('-') && !meter.allowNegative) return 'negative_value'
  const result = parseDecimal(text)
  if (result.kind !== 'ok') throw new Error(`${text} is ${result.kind}`)
  return { quantity: result.value, text: '' }
}

function rounded({ convert }: Meter, value: Exact): string {
  if (convert?.round === undefined) return value.toPlaces(12)
  const { to, places } = convert.round
  const divided = value.div(exactly(convert.divideBy))
  if (to === 'half_up') return divided.toPlaces(places)
  if (to === 'half_even') return divided.toPlaces(places, 'even')
  const scale = 10n ** BigInt(places)
  const size = Exact.max(divided, Exact.of(0).minus(divided)).times(scale)
  const up = size.ceil()
  const whole = to === 'up' || up.eq(size) ? up : up.minus(1)
  const signed = divided.lt(0) ? Exact.of(0).minus(whole) : whole
  return signed.div(scale).toPlaces(12)
}

/** Undefined where something is divided by zero. */
function treeValue(tree: Expression, values: readonly Exact[]): Exact | undefined {
  if (tree.kind === 'number') return exactly(tree.value)
  if (tree.kind === 'field') return values[tree.field]
  if (tree.kind === 'negative') {
    const of = treeValue(tree.of, values)
    return of === undefined ? undefined : Exact.of(0).minus(of)
  }
  if (tree.kind === 'call') {
    const args = tree.args.map(arg => treeValue(arg, values))
    if (args.includes(undefined)) return undefined
    const [first, second] = args as Exact[]
    const scale = 10n ** BigInt(second?.toPlaces(0) ?? '0')
    const up = (one: Exact) => one.times(scale).ceil().div(scale)
    const calls = {
      min: () => (args as Exact[]).reduce((least, one) => Exact.min(least, one)),
      max: () => (args as Exact[]).reduce((most, one) => Exact.max(most, one)),
      abs: () => Exact.max(first!, Exact.of(0).minus(first!)),
      ceil: () => up(first!),
      floor: () => Exact.of(0).minus(up(Exact.of(0).minus(first!))),
      round: () => Exact.of(first!.toPlaces(Number(second?.toPlaces(0) ?? '0'))),
    }
    return calls[tree.name]()
  }
  const left = treeValue(tree.left, values)
  const right = treeValue(tree.right, values)
  if (left === undefined || right === undefined) return undefined
  if (tree.kind === '+') return left.plus(right)
  if (tree.kind === '-') return left.minus(right)
  if (tree.kind === '*') return left.times(right)
  return right.eq(0) ? undefined : left.div(right)
}
