// Tests restating: for any changes in any order, the emitted movements add up to the net movements.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MrrMovement } from '../../schemas/billing/mrr-movement.js'
import { compositeKey } from '../../schemas/identifiers.js'
import type { SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant, instantKey, nsOf } from '../../schemas/time.js'
import { mrrTimeline, netMovements, restate } from '../mrr/mrr.js'
import { at, base, catalogOf, change, pricesOf, seats } from '../testing/example-subscription.js'

const catalog = catalogOf(
  { plan: 'pro', prices: [seats, base] },
  { plan: 'year', prices: [{ ...seats, amount: '100' }], billing_period: 'year' },
  { plan: 'euro', prices: [{ ...base, discount_percent: '20', discount_periods: 1 }], currency: 'EUR' },
  { plan: 'free', prices: [] },
)

function netOf(changes: readonly SubscriptionChange[]): MrrMovement[] {
  const ids = [...new Set(changes.map(one => one.subscriptionId))]
  const steps = ids
    .map(id => changes.filter(one => one.subscriptionId === id))
    .filter(own => own.some(one => one.kind === 'created'))
    .flatMap(own => mrrTimeline(pricesOf(catalog, ...own)))
  return netMovements('acme', steps)
}

/** Sums of what is not 0, by what `keyOf` says. */
function sums(movements: readonly MrrMovement[], keyOf: (one: MrrMovement) => string): Map<string, bigint> {
  const totals = new Map<string, bigint>()
  for (const one of movements) totals.set(keyOf(one), (totals.get(keyOf(one)) ?? 0n) + one.amount)
  return new Map([...totals].filter(([, total]) => total !== 0n).sort(([a], [b]) => (a < b ? -1 : 1)))
}

const day = (n: number) => formatInstant(at('2026-01-01') + nsOf(n * 86_400_000))
const plans = fc.constantFrom('pro', 'year', 'euro', 'free')
const quantities = fc.constantFrom('0', '1', '5', '7').map(count => ({ seats: count }))

function changeOf(subscriptionId: string, sequence: number): fc.Arbitrary<SubscriptionChange> {
  const from = fc.integer({ min: 0, max: 90 }).map(day)
  const amended = fc
    .tuple(from, plans, quantities, fc.boolean())
    .map(([start, plan, count, moves]) =>
      change('amended', sequence, start, { subscriptionId, quantities: count, ...(moves ? { plan } : {}) }),
    )
  const status = fc
    .tuple(from, fc.constantFrom('suspended' as const, 'resumed' as const, 'cancelled' as const))
    .map(([start, kind]) => change(kind, sequence, start, { subscriptionId }))
  return fc.oneof({ weight: 2, arbitrary: amended }, { weight: 1, arbitrary: status })
}

const arrivals = fc
  .tuple(
    ...['a', 'b', 'c'].map(subscriptionId =>
      fc
        .tuple(
          plans,
          quantities,
          fc.integer({ min: 0, max: 60 }),
          fc.boolean(),
          fc.integer({ min: 0, max: 4 }),
        )
        .chain(([plan, count, from, hasTrial, others]) => {
          const fields = {
            subscriptionId,
            plan,
            quantities: count,
            ...(hasTrial ? { trialUntil: day(from + 14) } : {}),
          }
          return fc.tuple(
            fc.constant(change('created', 1, day(from), fields)),
            ...Array.from({ length: others }, (_, n) => changeOf(subscriptionId, n + 2)),
          )
        }),
    ),
  )
  .chain(all => fc.shuffledSubarray(all.flat(), { minLength: all.flat().length }))

describe('random changes of three subscriptions in random order', () => {
  it('after each, everything emitted adds up to the net list, place by place and kind by kind', () => {
    fc.assert(
      fc.property(arrivals, changes => {
        const emitted: MrrMovement[] = []
        let before: MrrMovement[] = []
        for (const n of changes.keys()) {
          const after = netOf(changes.slice(0, n + 1))
          emitted.push(...restate(before, after, `cause ${n}`))
          before = after
          const placeAndKind = (one: MrrMovement) =>
            compositeKey(one.subscriptionId, one.currency, instantKey(one.effectiveAtNs), one.kind)
          expect(sums(emitted, placeAndKind)).toEqual(sums(after, placeAndKind))
        }
        expect(new Set(emitted.map(one => one.movementId)).size).toBe(emitted.length)
        for (const one of emitted) expect(one.mrrAfter - one.mrrBefore).toBe(one.amount)
      }),
      { numRuns: 150 },
    )
  })

  it('the net list is a chain from 0, and its sum is the MRR of all subscriptions at every instant', () => {
    fc.assert(
      fc.property(arrivals, changes => {
        const net = netOf(changes)
        const totals = new Map<string, bigint>()
        for (const one of net) {
          expect(one.mrrBefore).toBe(totals.get(one.currency) ?? 0n)
          totals.set(one.currency, one.mrrAfter)
        }
        const ids = [...new Set(changes.map(one => one.subscriptionId))]
        const steps = ids.flatMap(id =>
          mrrTimeline(pricesOf(catalog, ...changes.filter(one => one.subscriptionId === id))),
        )
        for (const { atNs } of steps) {
          for (const currency of ['USD', 'EUR']) {
            const latest = ids.map(id =>
              steps.findLast(
                one => one.subscriptionId === id && one.currency === currency && one.atNs <= atNs,
              ),
            )
            const mrr = latest.reduce((sum, one) => sum + (one?.mrr ?? 0n), 0n)
            const moved = net.filter(one => one.currency === currency && one.effectiveAtNs <= atNs)
            expect(moved.reduce((sum, one) => sum + one.amount, 0n)).toBe(mrr)
          }
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('one late change', () => {
  const created = change('created', 1, '2026-01-01', { plan: 'pro', quantities: { seats: '5' } })
  const more = change('amended', 2, '2026-03-01', { quantities: { seats: '6' } })
  const late = change('amended', 3, '2026-02-01', { quantities: { seats: '6' } })
  const summary = (one: MrrMovement) =>
    `${formatInstant(one.effectiveAtNs).slice(0, 10)} ${one.kind} ${formatScaled(one.amount)}`

  it('takes back what it moved and states it where it belongs; the rest is not repeated', () => {
    const appended = restate(netOf([created, more]), netOf([created, more, late]), 'late')
    expect(appended.map(summary)).toEqual(['2026-02-01 expansion 20', '2026-03-01 expansion -20'])
  })

  it('that changes a kind takes the old kind back', () => {
    const cancelled = change('cancelled', 4, '2026-02-01')
    const appended = restate(netOf([created, more]), netOf([created, more, cancelled]), 'cancelled')
    expect(appended.map(summary)).toEqual(['2026-02-01 churn -199', '2026-03-01 expansion -20'])
    const first = change('created', 1, '2025-12-01', { subscriptionId: 'other', plan: 'euro' })
    const earlier = change('amended', 2, '2025-12-01', {
      subscriptionId: 'other',
      plan: 'pro',
      quantities: { seats: '1' },
    })
    const restated = restate(netOf([created]), netOf([created, first, earlier]), 'first')
    expect(restated.map(summary)).toEqual([
      '2025-12-01 new_business 119',
      '2026-01-01 new_business -199',
      '2026-01-01 expansion 199',
    ])
  })

  it('that changes nothing appends nothing', () => {
    expect(restate(netOf([created, more]), netOf([created, more]), 'same')).toEqual([])
  })

  it('asked again gives the same ids, and another cause gives others', () => {
    const ids = (cause: string) =>
      restate(netOf([created]), netOf([created, late]), cause).map(one => one.movementId)
    expect(ids('x')).toEqual(ids('x'))
    expect(ids('x')).not.toEqual(ids('y'))
  })
})
