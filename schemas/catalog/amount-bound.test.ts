// Minimums and maximums of plans: read, written back equal, and refused where they make no sense, with line and reason.

import { expect, it } from 'vitest'
import { parseCatalog } from './catalog-parser.js'
import { planSchema, planToWire } from './catalog-plan.js'

const file = (lines: string) => `plans:
  - plan: pro
    version: 1
    currency: USD
    billing_period: month
    prices: [{ price: base, kind: recurring, amount: "99", per: subscription, timing: in_advance }]
${lines}`

function wireOf(lines: string): Record<string, unknown> {
  const parsed = parseCatalog(file(lines), 'catalog.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return planToWire(parsed.catalog.plans[0]!)
}

function refusal(lines: string): string {
  const parsed = parseCatalog(file(lines), 'catalog.yaml')
  const [problem] = parsed.kind === 'invalid' ? parsed.problems : []
  return problem === undefined ? 'ok' : `${problem.line} ${problem.code}: ${problem.message}`
}

it('is written back as it was read, an amount alone as an amount', () => {
  expect(wireOf('    minimum: "500"\n    maximum: 2000')).toMatchObject({ minimum: '500', maximum: '2000' })
  const listed = { amount: '12.5', applies_to: ['base'], period: 'quarter' }
  const wire = wireOf('    minimum: { amount: 12.5, applies_to: [base], period: { count: 3, unit: month } }')
  expect(wire['minimum']).toEqual(listed)
  expect(planSchema.safeParse(wire).success).toBe(true)
  expect(wireOf('    maximum: "0"')).toMatchObject({ maximum: '0' })
})

it('is refused with line, code and reason', () => {
  const refused = [
    ['    minimum: "0"', '7 value_out_of_range: The field minimum is greater than 0.'],
    ['    minimum: "-1"', '7 negative_value: The field minimum is not negative.'],
    ['    maximum: much', '7 invalid_value: The field maximum is a decimal number, such as "0.0025".'],
    [
      '    maximum: "100000000000000000001"',
      '7 value_out_of_range: The field maximum is at most 100000000000000000000.',
    ],
    ['    minimum: { applies_to: [base] }', '7 missing_field: The field amount is missing.'],
    [
      '    minimum: { amount: 5, applies_to: [] }',
      '7 invalid_value: The field applies_to names prices; left out: all.',
    ],
    [
      '    minimum: { amount: 5, applies_to: [bsae] }',
      '7 unknown_price: The plan has no price bsae; the nearest known name is base.',
    ],
    [
      '    minimum: { amount: 5, applies_to: [base, base] }',
      '7 duplicate_price: The price base stands twice.',
    ],
    [
      '    minimum: { amount: 5, perod: year }',
      '7 unknown_key: perod is not a field of a minimum; the nearest known name is period; its fields: amount, applies_to, period.',
    ],
    ['    minimum: 5\n    maximum: 4', '8 contradicting_fields: The maximum is at least the minimum.'],
    ['    minimun: 5', '7 unknown_key: minimun is not a field of a plan; the nearest known name is minimum'],
  ] as const
  for (const [lines, reason] of refused) expect(refusal(lines)).toMatch(reason)
  expect(refusal('    minimum: 5\n    maximum: { amount: 4, applies_to: [base] }')).toBe('ok')
})
