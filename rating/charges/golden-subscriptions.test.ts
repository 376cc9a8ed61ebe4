// Tests whole subscriptions against vectors worked out by hand: their charges, periods, amounts and MRR.

import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import type { SubscriptionChangeKind } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { mrrTimeline } from '../mrr/mrr.js'
import { at, catalogOf, change, priceOf, scaled } from '../testing/example-subscription.js'
import { sample } from '../testing/golden-vectors.js'
import type { CatalogIndex } from '../timeline/catalog-index.js'
import { resolvePrices, type Segment } from '../timeline/price-lines.js'
import { resolveTimeline } from '../timeline/timeline.js'
import { addSample, type ChargeBasis, newAccumulator } from './accumulator.js'
import { chargesOf } from './close.js'
import { chargeOf } from './rate.js'

/** Overrides as a catalog writes prices. */
type Fields = Parameters<typeof change>[3] & { readonly overrides?: readonly Parameters<typeof priceOf>[0][] }

interface Vector {
  readonly name: string
  readonly derivation: string
  readonly plans: readonly Readonly<Record<string, unknown>>[]
  readonly changes: readonly (readonly [SubscriptionChangeKind, string, Fields])[]
  /** Of the meter `bytes`: time and value. */
  readonly usage?: readonly (readonly [string, string])[]
  readonly as_of: string
  /** Of the customer; then every charge is in `charged_in`. */
  readonly currency?: string
  readonly charged_in?: string
  /** Price, from, until, quantity, amount. */
  readonly charges: readonly (readonly [string, string, string, string, string])[]
  /** Each instant from which the MRR is another; left out: not looked at. */
  readonly mrr?: readonly (readonly [string, string])[]
}

const folder = 'rating/golden/subscriptions'
const files = ['rating/golden/subscriptions.json', ...readdirSync(folder).map(file => `${folder}/${file}`)]

function basisOf(segment: Segment<UsagePrice>, catalog: CatalogIndex): ChargeBasis {
  const { line, fraction, fromNs, untilNs, period } = segment
  const meter = catalog.meter(line.price.meter)
  if (meter === undefined) throw new Error(`there is no meter ${line.price.meter}`)
  return { price: line.price, meter, fraction, trial: line.trial, fromNs, untilNs, period }
}

function resolved(vector: Vector) {
  const catalog = catalogOf(...vector.plans)
  const changes = vector.changes.map(([kind, from, { overrides, ...fields }], index) =>
    change(kind, index + 1, from, {
      ...fields,
      ...(overrides === undefined ? {} : { priceOverrides: overrides.map(priceOf) }),
    }),
  )
  const timeline = resolveTimeline(changes, vector.currency)
  if (timeline === undefined) throw new Error('there is no created')
  return { catalog, prices: resolvePrices(timeline, catalog) }
}

function charges(vector: Vector) {
  const { catalog, prices } = resolved(vector)
  const totals = (segment: Segment<UsagePrice>) => {
    const basis = basisOf(segment, catalog)
    const accumulator = newAccumulator(basis)
    for (const [time, value] of vector.usage ?? []) {
      const timeNs = at(time)
      if (timeNs < segment.fromNs || timeNs >= segment.untilNs) continue
      addSample(basis, accumulator, sample({ timeNs, quantity: scaled(value) }))
    }
    return { ...chargeOf(basis, accumulator), events: accumulator.events }
  }
  return chargesOf(prices, at(vector.as_of), totals)
}

describe.each(files)('golden %s', file => {
  const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] }
  for (const vector of vectors) {
    it(`${vector.name}: ${vector.derivation}`, () => {
      const owed = charges(vector).map(one => [
        one.price,
        one.fromNs,
        one.untilNs,
        formatScaled(one.quantity),
        formatScaled(one.amount),
      ])
      const expected = vector.charges.map(([price, from, until, ...rest]) => [
        price,
        at(from),
        at(until),
        ...rest,
      ])
      expect(owed).toEqual(expected)
      const { charged_in: only } = vector
      if (only !== undefined)
        expect(new Set(charges(vector).map(one => one.currency))).toEqual(new Set([only]))
      if (vector.mrr === undefined) return
      const steps = mrrTimeline(resolved(vector).prices).map(one => [one.atNs, formatScaled(one.mrr)])
      expect(steps).toEqual(vector.mrr.map(([from, mrr]) => [at(from), mrr]))
    })
  }
})
