// The explanation of a one-off price: its lines, and that it comes to the charge.

import { expect, it } from 'vitest'
import { catalogOf, change, pricesOf } from '../testing/example-subscription.js'
import { explainOneOff } from './explain-one-off.js'
import { explanationToText } from './explanation-text.js'

it('says amount, quantity and discount', () => {
  const setup = { price: 'setup', kind: 'one_off', amount: '49.9', per: 'unit', timing: 'at_start' }
  const catalog = catalogOf({ plan: 'pro', prices: [{ ...setup, discount_percent: '10' }] })
  const prices = pricesOf(
    catalog,
    change('created', 1, '2026-01-01', { plan: 'pro', quantities: { setup: '3' } }),
  )
  const [line] = prices.oneOff
  expect(explanationToText(explainOneOff(line!)).map(text => text.trim())).toMatchInlineSnapshot(`
    [
      "one-off, per unit                              49.9 USD × 3 = 149.7 USD",
      "discount, per cent                             149.7 USD × (100 - 10) ÷ 100 = 134.73 USD",
      "rounded to 12 places                           = 134.73 USD",
      "to the minor unit of USD, half away from zero  = 134.73 USD",
    ]
  `)
})
