// Tests recurring prices with a model: read back equal, and what contradicts itself is refused at its place.

import { expect, test } from 'vitest'
import { parsePrice, priceToWire } from './catalog-parser.js'

const seats = { price: 'seats', kind: 'recurring', timing: 'in_advance' }
const tiers = [
  { up_to: '5', unit_amount: '7' },
  { up_to: null, unit_amount: '6', flat_amount: '3' },
]
const steps = [
  { up_to: '10', flat_amount: '50' },
  { up_to: null, flat_amount: '0' },
]

function wire(price: object): unknown {
  const parsed = parsePrice(price)
  return parsed.kind === 'ok' ? priceToWire(parsed.value) : [parsed.rejection.code, parsed.rejection.pointer]
}

test.each<object>([
  { model: 'graduated', tiers },
  { model: 'volume', tiers, included: '5' },
  { model: 'stairstep', tiers: steps, default_quantity: '3' },
  {
    model: 'package',
    package_size: '10',
    package_amount: '25',
    billing_period: 'year',
    discount_percent: '10',
  },
  { amount: '20', included: '5' },
])('%j is read back equal', terms => {
  const price = { ...seats, ...terms, per: 'unit' }
  expect(wire(price)).toEqual(price)
  if ('model' in terms) expect(wire({ ...seats, ...terms })).toEqual(price)
})

test('0 units included are none', () => {
  expect(wire({ ...seats, amount: '20', per: 'unit', included: '0' })).not.toHaveProperty('included')
})

test.each<[object, string, string]>([
  [{ model: 'volume', tiers, amount: '3' }, 'invalid_data', '/amount'],
  [{ per: 'unit' }, 'invalid_catalog', ''],
  [{ model: 'volume', tiers, per: 'subscription' }, 'invalid_catalog', '/per'],
  [{ amount: '3', per: 'subscription', included: '5' }, 'invalid_data', '/included'],
  [{ amount: '3', per: 'unit', tiers }, 'invalid_data', '/tiers'],
  [{ model: 'per_unit', unit_amount: '3' }, 'invalid_data', '/unit_amount'],
  [{ model: 'matrix', cells: [] }, 'invalid_data', '/cells'],
  [{ model: 'stairstep', tiers }, 'invalid_data', '/tiers/0/unit_amount'],
  [{ model: 'stairstep', tiers: [{ up_to: null }] }, 'invalid_catalog', '/tiers/0'],
  [{ model: 'volume', tiers: steps.slice(0, 1) }, 'invalid_catalog', '/tiers/0/up_to'],
])('%j is refused', (terms, code, pointer) => {
  expect(wire({ ...seats, ...terms })).toEqual([code, pointer])
})
