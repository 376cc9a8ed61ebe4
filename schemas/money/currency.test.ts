// Tests the minor units in which amounts are paid.

import { expect, test } from 'vitest'
import { currencyCodes, minorUnits } from './currency.js'

test('minor units follow ISO 4217, not the digits of cash', () => {
  const expected = {
    USD: 2,
    EUR: 2,
    JPY: 0,
    KRW: 0,
    ISK: 0,
    KWD: 3,
    TND: 3,
    CLF: 4,
    UYW: 4,
    CLP: 0,
    ALL: 2,
    IQD: 3,
  }
  for (const [code, digits] of Object.entries(expected)) expect(minorUnits(code), code).toBe(digits)
})

test('what cannot be billed has no minor unit', () => {
  for (const code of ['XXX', 'XAU', 'XTS', 'usd', 'ABC', '', 'constructor', '__proto__']) {
    expect(minorUnits(code), code).toBeUndefined()
  }
})

test('the table misses no currency that Intl knows, but for those withdrawn before 2024-06 and those without a minor unit', () => {
  for (const code of currencyCodes) expect(code).toMatch(/^[A-Z]{3}$/)
  const missing = Intl.supportedValuesOf('currency').filter(code => minorUnits(code) === undefined)
  const without = new Set(['HRK', 'SLL', 'XSU', 'XDR', 'XXX', 'XTS', 'XAU', 'XAG', 'XPT', 'XPD'])
  expect(missing.filter(code => !without.has(code))).toEqual([])
})
