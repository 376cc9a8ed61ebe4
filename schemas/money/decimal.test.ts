// Decimals against decimal.js: text, scaling, rounding.

import { Decimal } from 'decimal.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { divideRounded, formatScaled, parseDecimal, scaledMax } from './decimal.js'
import { ExactNumber } from './exact-number.js'

const scaled = fc.bigInt({ min: -scaledMax, max: scaledMax })

function textOf(value: unknown): string {
  const result = parseDecimal(value)
  return result.kind === 'ok' ? formatScaled(result.value) : result.kind
}

test.each<[unknown, string]>([
  ['0.0000025', '0.0000025'],
  ['-0', '0'],
  ['+1.50', '1.5'],
  ['007', '7'],
  ['1e3', '1000'],
  ['2.5E-3', '0.0025'],
  ['0e9999', '0'],
  [`0.${'0'.repeat(100)}`, '0'],
  [`1.${'0'.repeat(100)}`, '1'],
  [0.1, '0.1'],
  [-0, '0'],
  [1e-12, '0.000000000001'],
  [2 ** 53, '9007199254740992'],
  [1e21, '1000000000000000000000'],
  [`1.${'0'.repeat(1_000_000)}`, '1'],
  ['0e999999999', '0'],
  [new ExactNumber('9007199254740993'), '9007199254740993'],
  [new ExactNumber('1234567890123456.789'), '1234567890123456.789'],
  [new ExactNumber('12345678901234567.890000000000000'), '12345678901234567.89'],
  ['99999999999999999999999999.999999999999', '99999999999999999999999999.999999999999'],
])('accepted value %#', (value, text) => {
  expect(textOf(value)).toBe(text)
})

test.each<[unknown, string]>([
  ['', 'invalid_value'],
  [' 1', 'invalid_value'],
  ['1.', 'invalid_value'],
  ['.5', 'invalid_value'],
  ['1,5', 'invalid_value'],
  ['0x10', 'invalid_value'],
  ['Infinity', 'invalid_value'],
  ['NaN', 'invalid_value'],
  ['١', 'invalid_value'],
  ['--1', 'invalid_value'],
  [Number.NaN, 'invalid_value'],
  [JSON.parse('1e400'), 'invalid_value'],
  [true, 'invalid_value'],
  [null, 'invalid_value'],
  [undefined, 'invalid_value'],
  [1n, 'invalid_value'],
  [{}, 'invalid_value'],
  [['1'], 'invalid_value'],
  ['9'.repeat(60), 'value_out_of_range'],
  ['1'.repeat(1_000_000), 'value_out_of_range'],
  ['100000000000000000000000000', 'value_out_of_range'],
  ['0.0000000000001', 'value_out_of_range'],
  ['1e9999', 'value_out_of_range'],
  ['1e-9999', 'value_out_of_range'],
  ['1e99999', 'value_out_of_range'],
  ['1e999999999', 'value_out_of_range'],
  ['-1e-999999999', 'value_out_of_range'],
  [`1e${'9'.repeat(1_000_000)}`, 'value_out_of_range'],
  [`1e-${'9'.repeat(1_000_000)}`, 'value_out_of_range'],
  [`0.${'3'.repeat(1_000_000)}`, 'value_out_of_range'],
  [new ExactNumber('1e-999999999'), 'value_out_of_range'],
  [new ExactNumber('100000000000000000000000000'), 'value_out_of_range'],
  [1e-13, 'value_out_of_range'],
  [5e-324, 'value_out_of_range'],
  [Number.MAX_VALUE, 'value_out_of_range'],
])('refused value %#', (value, code) => {
  expect(textOf(value)).toBe(code)
})

test('what is written is read back, and is the number that decimal.js takes it for', () => {
  const exact = Decimal.clone({ precision: 60, toExpNeg: -60, toExpPos: 60 })
  fc.assert(
    fc.property(scaled, value => {
      const text = formatScaled(value)
      expect(parseDecimal(text)).toEqual({ kind: 'ok', value })
      expect(new exact(value.toString()).div('1e12').toString()).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('a JSON number is its shortest decimal text', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), value => {
      expect(parseDecimal(value)).toEqual(parseDecimal(String(value)))
    }),
    { numRuns: 500 },
  )
})

test('division rounds half away from zero, or half to even, as decimal.js does', () => {
  const exact = Decimal.clone({ precision: 100 })
  const small = fc.bigInt({ min: -1000n, max: 1000n })
  fc.assert(
    fc.property(fc.oneof(small, scaled), fc.bigInt({ min: 1n, max: 40n }), (numerator, denominator) => {
      const quotient = new exact(numerator.toString()).div(denominator.toString())
      const [up, even] = [Decimal.ROUND_HALF_UP, Decimal.ROUND_HALF_EVEN].map(mode =>
        BigInt(quotient.toDecimalPlaces(0, mode as Decimal.Rounding).toFixed()),
      )
      expect(divideRounded(numerator, denominator)).toBe(up)
      expect(divideRounded(numerator, denominator, 'half_even')).toBe(even)
    }),
    { numRuns: 500 },
  )
})
