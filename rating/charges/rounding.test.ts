// Amounts rounded to what a currency can pay.

import { expect, it } from 'vitest'
import { formatScaled, type Rounding } from '../../schemas/money/decimal.js'
import { scaled } from '../testing/example-subscription.js'
import { roundToCurrency } from './rounding.js'

const rounded = (amount: string, currency: string, rounding: Rounding = 'half_up') =>
  formatScaled(roundToCurrency(scaled(amount), currency, rounding))

it('an amount is rounded to the minor unit of its currency', () => {
  expect(rounded('1.2349', 'USD')).toBe('1.23')
  expect(rounded('1234.5', 'JPY')).toBe('1235')
  expect(rounded('1.2345', 'KWD')).toBe('1.235')
})

it('a half goes away from zero, also below it', () => {
  expect(rounded('0.005', 'USD')).toBe('0.01')
  expect(rounded('-0.005', 'USD')).toBe('-0.01')
  expect(rounded('0.004999999999', 'USD')).toBe('0')
})

it('half_even goes to the even neighbour, at the exact half alone', () => {
  expect(rounded('0.005', 'USD', 'half_even')).toBe('0')
  expect(rounded('0.015', 'USD', 'half_even')).toBe('0.02')
  expect(rounded('0.005000000001', 'USD', 'half_even')).toBe('0.01')
  expect(rounded('-0.025', 'USD', 'half_even')).toBe('-0.02')
})

it('a currency without a minor unit is a bug', () => {
  expect(() => rounded('1', 'XXX')).toThrow('XXX')
})
