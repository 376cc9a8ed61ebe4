// The trial and the phases of a plan as a catalog writes them: read, written back equal, and refused where they make no sense.

import { describe, expect, it } from 'vitest'
import { parseCatalog, parseCatalogValue } from './catalog-parser.js'
import { planToWire } from './catalog-plan.js'
import { catalogSchema } from './catalog-schema.js'

const base = { price: 'base', kind: 'recurring', amount: '30', per: 'subscription', timing: 'in_advance' }
const plan = {
  plan: 'pro',
  version: 1,
  currency: 'USD',
  billing_period: 'month',
  proration: 'second',
  rounding: 'half_up',
  prices: [base],
}
const ramp = [{ until: { periods: 3 }, prices: [{ ...base, amount: '10' }] }, { prices: [base] }]

function refusals(more: Readonly<Record<string, unknown>>, isToldBySchema = true): string[] {
  const value = { meters: [], plans: [{ ...plan, ...more }] }
  if (isToldBySchema) expect(catalogSchema.safeParse(value).success).toBe(false)
  const parsed = parseCatalogValue(value)
  return parsed.kind === 'ok' ? [] : parsed.problems.map(({ path, code }) => `${path.slice(8)} ${code}`)
}

describe('the trial and the phases of a plan', () => {
  it('are written back as they were read', () => {
    for (const more of [{ trial: { days: 14 } }, { phases: ramp }, { phases: ramp.slice(0, 1) }]) {
      const value = { meters: [], plans: [{ ...plan, ...more }] }
      const parsed = parseCatalogValue(value)
      expect(parsed.kind === 'ok' && parsed.catalog.plans.map(planToWire)).toEqual(value.plans)
      expect(catalogSchema.safeParse(value).success).toBe(true)
    }
  })

  it('are refused with the place and the reason', () => {
    const [first, last] = ramp
    expect(refusals({ trial: 14 })).toEqual(['/trial wrong_type'])
    expect(refusals({ trial: {} })).toEqual(['/trial missing_field'])
    expect(refusals({ trial: { days: 0 } })).toEqual(['/trial/days invalid_value'])
    expect(refusals({ trial: { days: 14, months: 1 } })).toEqual(['/trial/months unknown_key'])
    expect(refusals({ phases: [] })).toEqual(['/phases invalid_value'])
    expect(refusals({ phases: [last, first] }, false)).toEqual(['/phases/0 missing_field'])
    expect(refusals({ phases: [first, first] }, false)).toEqual([
      '/phases/1/until/periods value_out_of_range',
    ])
    expect(refusals({ phases: [{ until: { periods: 1 }, prices: [] }] })).toEqual([
      '/phases/0/prices invalid_value',
    ])
    expect(refusals({ phases: [{ until: { periods: 1 } }] })).toEqual(['/phases/0 missing_field'])
    expect(refusals({ phases: [{ until: { months: 1 }, prices: [base] }] })).toEqual([
      '/phases/0/until missing_field',
      '/phases/0/until/months unknown_key',
    ])
    expect(refusals({ phases: [{ prices: [base, base] }] }, false)).toEqual([
      '/phases/0/prices/1/price duplicate_price',
    ])
    const usage = { price: 'u', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '1' }
    expect(refusals({ phases: [{ prices: [usage] }] }, false)).toEqual([
      '/phases/0/prices/0/meter unknown_meter',
    ])
  })

  it('names the line', () => {
    const text = [
      'plans:',
      '  - plan: pro',
      '    version: 1',
      '    currency: USD',
      '    billing_period: month',
      '    trial: { day: 14 }',
      '    prices: []',
    ].join('\n')
    const parsed = parseCatalog(text, 'c.yaml')
    expect(parsed.kind === 'invalid' && parsed.problems.map(({ line, message }) => [line, message])).toEqual([
      [6, expect.stringContaining('days')],
      [6, expect.stringContaining('nearest known name is days')],
    ])
  })
})
