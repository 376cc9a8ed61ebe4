// One-off prices as a catalog writes them: read, written back equal, and refused where they make no sense.

import { describe, expect, it } from 'vitest'
import { parsePrice, priceToWire } from './catalog-parser.js'
import { priceSchema } from './catalog-schema.js'

const setup = { price: 'setup', kind: 'one_off', amount: '49.9', per: 'unit', timing: 'at_start' }

function refusals(more: Readonly<Record<string, unknown>>, less: readonly string[] = []) {
  const price: Record<string, unknown> = { ...setup, ...more }
  for (const name of less) delete price[name]
  expect(priceSchema.safeParse(price).success).toBe(false)
  const parsed = parsePrice(price)
  return parsed.kind === 'rejected' ? `${parsed.rejection.pointer ?? ''}: ${parsed.rejection.detail}` : parsed
}

describe('a one-off price', () => {
  it('is written back as it was read', () => {
    for (const more of [{}, { default_quantity: '3', discount_percent: '10' }]) {
      const parsed = parsePrice({ ...setup, ...more })
      expect(parsed.kind === 'ok' && priceToWire(parsed.value)).toEqual({ ...setup, ...more })
      expect(priceSchema.safeParse({ ...setup, ...more }).success).toBe(true)
    }
  })

  it('is once per subscription where it does not say per what', () => {
    const { per: _, ...rest } = setup
    const parsed = parsePrice(rest)
    expect(parsed.kind === 'ok' && priceToWire(parsed.value)).toEqual({ ...rest, per: 'subscription' })
    expect(priceSchema.safeParse(rest).success).toBe(true)
  })

  it('is refused with the reason', () => {
    expect(refusals({ timing: 'in_advance' })).toMatch(/timing.*at_start/)
    expect(refusals({}, ['amount'])).toMatch(/amount/)
    expect(refusals({ per: 'seat' })).toMatch(/per.*subscription/)
    expect(refusals({ default_quantity: '2' }, ['per'])).toMatch(/Only a price per unit/)
    expect(refusals({ amount: '-1' })).toMatch(/amount/)
    expect(refusals({ per: 'subscription', default_quantity: '2' })).toMatch(/Only a price per unit/)
    expect(refusals({ discount_percent: '10', discount_periods: 2 })).toMatch(/owed once/)
    expect(refusals({ prorate: true })).toMatch(/prorate/)
    expect(refusals({ defalt_quantity: '2' })).toMatch(/default_quantity/)
  })
})
