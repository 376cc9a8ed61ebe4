// Random expressions: their text is written while exact fractions compute what it ought to come to; then the text is
// parsed and evaluated.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deepest, mostCharacters, mostFields, parseExpression } from '../../schemas/catalog/expression.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { eventValue } from '../aggregations/convert.js'
import { ofScaled } from '../steps/ratio.js'
import { Exact } from '../testing/exact.js'
import { scaled } from '../testing/golden-vectors.js'
import { evaluate } from './evaluate.js'

/** `value`: undefined where it divides by zero. */
interface Written {
  readonly text: string
  /** Whether it is one factor. */
  readonly isFactor: boolean
  readonly value: Exact | undefined
}

const data: Readonly<Record<string, string>> = { a: '3', b: '-2.5', c: '0', d: '7.000000000001', max: '12' }

const leaf: fc.Arbitrary<Written> = fc.oneof(
  fc.constantFrom(...Object.keys(data)).map(text => ({ text, isFactor: true, value: Exact.of(data[text]!) })),
  fc
    .constantFrom('2', '0.5', '10', '1.000000000001', '0')
    .map(text => ({ text, isFactor: true, value: Exact.of(text) })),
)

const both = (one: Written, other: Written, join: (a: Exact, b: Exact) => Exact | undefined) =>
  one.value === undefined || other.value === undefined ? undefined : join(one.value, other.value)
const inFactor = ({ text, isFactor }: Written) => (isFactor ? text : `(${text})`)

const { whole } = fc.letrec<{ whole: Written }>(tie => {
  const pair = fc.tuple(tie('whole'), tie('whole'))
  return {
    whole: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      pair.map(
        ([one, other]): Written => ({
          text: `${one.text} + ${inFactor(other)}`,
          isFactor: false,
          value: both(one, other, (x, y) => x.plus(y)),
        }),
      ),
      pair.map(
        ([one, other]): Written => ({
          text: `${one.text}-${inFactor(other)}`,
          isFactor: false,
          value: both(one, other, (x, y) => x.minus(y)),
        }),
      ),
      pair.map(
        ([one, other]): Written => ({
          text: `${inFactor(one)} * ${inFactor(other)}`,
          isFactor: false,
          value: both(one, other, (x, y) => x.times(y)),
        }),
      ),
      pair.map(
        ([one, other]): Written => ({
          text: `${inFactor(one)}/${inFactor(other)}`,
          isFactor: false,
          value: both(one, other, (x, y) => (y.eq(0) ? undefined : x.div(y))),
        }),
      ),
      pair.map(
        ([one, other]): Written => ({
          text: `max(${one.text}, ${other.text})`,
          isFactor: true,
          value: both(one, other, (x, y) => Exact.max(x, y)),
        }),
      ),
      pair.map(
        ([one, other]): Written => ({
          text: `min(${one.text} ,${other.text})`,
          isFactor: true,
          value: both(one, other, (x, y) => Exact.min(x, y)),
        }),
      ),
      tie('whole').map(
        (one): Written => ({
          text: `-${inFactor(one)}`,
          isFactor: true,
          value: one.value && Exact.of(0).minus(one.value),
        }),
      ),
      tie('whole').map(
        (one): Written => ({ text: `ceil(${one.text})`, isFactor: true, value: one.value?.ceil() }),
      ),
      tie('whole').map(
        (one): Written => ({
          text: `round(${one.text}, 2)`,
          isFactor: true,
          value: one.value && Exact.of(one.value.toPlaces(2)),
        }),
      ),
    ),
  }
})

describe('an expression', () => {
  it('comes to what fractions make of its text', () => {
    let divisions = 0
    fc.assert(
      fc.property(whole, ({ text, value: expected }) => {
        const parsed = parseExpression(`${text} + c`)
        // Too long or too deep, which has tests of its own.
        if (parsed.kind === 'invalid') {
          expect(parsed.expected).toMatch(/^(at most|the end after)/)
          return
        }
        const { fields, root } = parsed.expression
        const value = evaluate(
          root,
          fields.map(path => ofScaled(scaled(data[path[0]!]!))),
        )
        if (text.includes('/')) divisions += 1
        const found = value === undefined ? undefined : formatScaled(eventValue(value, {}))
        expect(found).toBe(expected?.toPlaces(12))
      }),
      { numRuns: 500 },
    )
    expect(divisions).toBeGreaterThan(30)
  })

  const faults: readonly (readonly [text: string, at: number, expected: string])[] = [
    ['', 1, 'a number, a field of data, a function or ('],
    ['a +', 4, 'a number, a field of data, a function or ('],
    ['a b', 3, 'an operator (+ - * /) or the end'],
    ['(a + b', 7, 'an operator (+ - * /) or )'],
    ['a ** b', 4, 'a number, a field of data, a function or ('],
    ['1 + 2', 1, 'at least one field of data'],
    ['a % 2', 3, 'an operator (+ - * /) or the end'],
    ['2a', 2, 'an operator after the number'],
    ['a.', 3, 'the name of a field, in backquotes where it has other characters'],
    ['sqrt(a)', 1, 'a function: one of min, max, abs, ceil, floor, round'],
    ['max(a)', 6, 'a comma: max takes 2 arguments or more'],
    ['abs(a, b)', 6, 'an operator or )'],
    ['round(a, 13)', 10, 'a whole number of places from 0 to 12'],
    ['round(a, b)', 10, 'a whole number of places from 0 to 12'],
    ['a * 1.0000000000001', 5, 'a number of at most 26 digits before and 12 after the point'],
    ['`', 1, 'the name of a field, in backquotes where it has other characters'],
    [`${'('.repeat(deepest + 1)}a`, deepest + 1, `at most ${deepest} levels of parentheses and signs`],
    [
      `a${' + a'.repeat(mostCharacters)}`,
      mostCharacters + 1,
      `the end after at most ${mostCharacters} characters`,
    ],
    [
      Array.from({ length: mostFields + 1 }, (_, n) => `f${n}`).join('+'),
      119,
      `at most ${mostFields} fields`,
    ],
  ]
  it.each(faults)('that reads %j is refused at character %i', (text, at, expected) => {
    expect(parseExpression(text)).toEqual({ kind: 'invalid', at, expected })
  })
})
