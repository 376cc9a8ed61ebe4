// Tests parts of a service period, by examples and at random: they always add up to 1.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BillingPeriod } from '../../schemas/catalog/catalog.js'
import type { ProrationRule } from '../../schemas/catalog/proration.js'
import { compareInstants } from '../../schemas/time.js'
import { at } from '../testing/example-subscription.js'
import { type Fraction, prorationFraction } from './proration.js'
import { ServiceCalendar } from './service-period.js'

interface Vector {
  readonly name: string
  readonly unit: ProrationRule
  readonly timezone: string
  readonly cuts: readonly string[]
  readonly fractions: readonly string[]
}

const { vectors } = JSON.parse(readFileSync('rating/golden/prorations.json', 'utf8')) as {
  vectors: readonly Vector[]
}

function partsOf(unit: ProrationRule, timezone: string, cuts: readonly bigint[]): Fraction[] {
  const period = { fromNs: cuts[0]!, untilNs: cuts.at(-1)! }
  return cuts
    .slice(0, -1)
    .map((fromNs, n) => prorationFraction(unit, timezone, { fromNs, untilNs: cuts[n + 1]! }, period))
}

function sumOf(fractions: readonly Fraction[]): Fraction {
  return fractions.reduce(
    (sum, one) => ({
      numerator: sum.numerator * one.denominator + one.numerator * sum.denominator,
      denominator: sum.denominator * one.denominator,
    }),
    { numerator: 0n, denominator: 1n },
  )
}

describe('golden parts', () => {
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.fractions.join(' + ')}`, () => {
      const parts = partsOf(vector.unit, vector.timezone, vector.cuts.map(at))
      for (const [n, text] of vector.fractions.entries()) {
        const [numerator, denominator] = text.split('/').map(BigInt) as [bigint, bigint]
        expect(parts[n]!.numerator * denominator).toBe(numerator * parts[n]!.denominator)
      }
    })
  }
})

it('the whole period is 1, by either unit', () => {
  const period = { fromNs: at('2026-03-01'), untilNs: at('2026-04-01') }
  for (const unit of ['second', 'day'] as const) {
    expect(prorationFraction(unit, 'UTC', period, period)).toEqual({ numerator: 1n, denominator: 1n })
  }
})

it('however a period is cut, its parts add up to exactly 1 and none is negative', () => {
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'America/Nuuk', 'Pacific/Apia')
  const units = fc.constantFrom<BillingPeriod>('day', 'week', 'month', 'quarter', 'year')
  const instant = fc.bigInt({ min: at('2010-01-01'), max: at('2030-01-01') })
  fc.assert(
    fc.property(
      zones,
      units,
      fc.constantFrom<ProrationRule>('second', 'day'),
      instant,
      instant,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      (zone, billingPeriod, unit, anchor, ms, shares) => {
        const { fromNs, untilNs } = new ServiceCalendar(anchor, zone, billingPeriod).periodAt(ms)
        const inner = shares.map(share => fromNs + BigInt(Math.floor(share * Number(untilNs - fromNs))))
        const cuts = [...new Set([fromNs, ...inner, untilNs])].sort(compareInstants)
        const parts = partsOf(unit, zone, cuts)
        const sum = sumOf(parts)
        expect(sum.numerator).toBe(sum.denominator)
        expect(parts.every(part => part.numerator >= 0n && part.denominator > 0n)).toBe(true)
      },
    ),
    { numRuns: 400 },
  )
})
