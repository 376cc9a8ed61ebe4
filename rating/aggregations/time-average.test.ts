// Tests more values than one run holds, in any order, against an integral computed value by value.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compositeKey } from '../../schemas/identifiers.js'
import { compareInstants, later } from '../../schemas/time.js'
import type { ChargeBasis } from '../periods/charge-basis.js'
import type { UsageSample } from './sample.js'
import { timeAverage } from './time-average.js'

const fromNs = 1_000n
const untilNs = 9_000n
/** A segment may begin after its first values. */
const earliestNs = 900n

function plainIntegral(samples: readonly UsageSample[], levelAtStart: bigint): bigint {
  const inOrder = samples.toSorted((a, b) => compareInstants(a.timeNs, b.timeNs) || (a.key < b.key ? -1 : 1))
  let area = 0n
  let level = levelAtStart
  let atNs = fromNs
  for (const { timeNs, quantity } of inOrder) {
    const thenNs = later(timeNs, fromNs)
    area += level * (thenNs - atNs)
    level = quantity
    atNs = thenNs
  }
  return area + level * (untilNs - atNs)
}

it('is the integral of the level, also where late values fall into runs that are long full', () => {
  const place = fc.record({
    at: fc.nat({ max: Number(untilNs - earliestNs) - 1 }),
    level: fc.integer({ min: -9, max: 9 }),
  })
  const batches = fc.array(place, { minLength: 1_500, maxLength: 2_500 })
  fc.assert(
    fc.property(batches, fc.boolean(), fc.integer({ min: -5, max: 5 }), (places, isInOrder, start) => {
      const arrival = isInOrder ? places.toSorted((a, b) => a.at - b.at) : places
      const samples = arrival.map(
        ({ at, level }, n): UsageSample => ({
          timeNs: earliestNs + BigInt(at),
          quantity: BigInt(level),
          text: '',
          key: compositeKey('s', String(n).padStart(5, '0')),
          cell: 0,
          group: '',
        }),
      )
      const state = timeAverage.start()
      for (const [n, sample] of samples.entries()) {
        timeAverage.add(state, sample, fromNs)
        if (n % 500 !== 0 && n < samples.length - 1) continue
        const expected = plainIntegral(samples.slice(0, n + 1), BigInt(start))
        expect(timeAverage.total(state, { fromNs, untilNs } as ChargeBasis, BigInt(start))).toBe(expected)
      }
      expect(state.runs.length).toBeGreaterThan(2)
    }),
    { numRuns: 30 },
  )
})
