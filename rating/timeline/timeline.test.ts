// Tests by example which terms are in force when; timeline-order.test.ts compares with an obvious resolver.

import { describe, expect, it } from 'vitest'
import { endlessNs, formatInstant } from '../../schemas/time.js'
import { at, change, priceOf, scaled, timelineOf } from '../testing/example-subscription.js'
import { resolveTimeline, type Timeline, versionAt } from './timeline.js'

const created = change('created', 1, '2026-01-01', { plan: 'pro', quantities: { seats: '5' } })
const dear = priceOf({
  price: 'base',
  kind: 'recurring',
  amount: '150',
  per: 'subscription',
  timing: 'in_advance',
})
const cheap = priceOf({
  price: 'base',
  kind: 'recurring',
  amount: '50',
  per: 'subscription',
  timing: 'in_advance',
})

/** `from..until sequence status plan` of each version. */
function summary(timeline: Timeline): string[] {
  const day = (ns: bigint) => (ns !== endlessNs ? formatInstant(ns).replace('T00:00:00Z', '') : '')
  return timeline.versions.map(
    ({ fromNs, untilNs, terms }) =>
      `${day(fromNs)}..${day(untilNs)} ${terms.sequence} ${terms.status} ${terms.plan}`,
  )
}

const seatsAt = (timeline: Timeline, instant: string) =>
  versionAt(timeline, at(instant))?.terms.quantities.get('seats')

describe('created', () => {
  it('without a created there is no timeline', () => {
    expect(resolveTimeline([])).toBeUndefined()
    expect(resolveTimeline([change('amended', 2, '2026-01-01', { plan: 'pro' })])).toBeUndefined()
  })

  it('nothing is in force before it takes effect, whatever else has', () => {
    const timeline = timelineOf(created, change('amended', 2, '2025-12-01', { quantities: { seats: '9' } }))
    expect(summary(timeline)).toEqual(['2026-01-01.. 2 active pro'])
    expect(seatsAt(timeline, '2026-01-01')).toBe(scaled('9'))
    expect(versionAt(timeline, at('2026-01-01') - 1n)).toBeUndefined()
  })

  it('gives the anchor, zone, entity and contract, with the defaults of the contract', () => {
    expect(timelineOf(created).versions[0]?.terms).toMatchObject({
      billingAnchorNs: at('2026-01-01'),
      timezone: 'UTC',
      entityId: '',
      contractId: '',
    })
    const fields = {
      plan: 'pro',
      anchor: '2026-02-01',
      timezone: 'Europe/Berlin',
      entityId: 'de',
      contractId: 'c7',
    }
    expect(timelineOf(change('created', 1, '2026-01-01', fields)).versions[0]?.terms).toMatchObject({
      billingAnchorNs: at('2026-02-01'),
      timezone: 'Europe/Berlin',
      entityId: 'de',
      contractId: 'c7',
    })
  })
})

describe('amendments', () => {
  it('a back-dated one supersedes from its effective date on, in the fields that it sets alone', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-03-01', { quantities: { seats: '8' } }),
      change('amended', 3, '2026-02-01', { plan: 'max' }),
    )
    expect(summary(timeline)).toEqual([
      '2026-01-01..2026-02-01 1 active pro',
      '2026-02-01..2026-03-01 3 active max',
      '2026-03-01.. 3 active max',
    ])
    expect(seatsAt(timeline, '2026-02-15')).toBe(scaled('5'))
    expect(seatsAt(timeline, '2026-03-01')).toBe(scaled('8'))
  })

  it('one of a lower sequence that takes effect later sets only what no higher one has set', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-03-01', { plan: 'max', quantities: { seats: '8' } }),
      change('amended', 3, '2026-02-01', { quantities: { seats: '6' } }),
    )
    expect(summary(timeline).at(-1)).toBe('2026-03-01.. 3 active max')
    expect(seatsAt(timeline, '2026-03-01')).toBe(scaled('6'))
  })

  it('each quantity is a field of its own', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-02-01', { quantities: { disks: '3' } }),
      change('amended', 3, '2026-03-01', { quantities: { seats: '7' } }),
    )
    const quantities = versionAt(timeline, at('2026-03-01'))?.terms.quantities
    expect(quantities).toEqual(
      new Map([
        ['seats', scaled('7')],
        ['disks', scaled('3')],
      ]),
    )
  })

  it('two on one instant are both in effect, the higher sequence on top', () => {
    const timeline = timelineOf(
      created,
      change('amended', 3, '2026-02-01', { plan: 'max' }),
      change('amended', 2, '2026-02-01', { plan: 'team', quantities: { seats: '2' } }),
    )
    expect(summary(timeline).at(-1)).toBe('2026-02-01.. 3 active max')
    expect(seatsAt(timeline, '2026-02-01')).toBe(scaled('2'))
  })
})

describe('overrides', () => {
  const overridden = change('amended', 2, '2026-02-01', { priceOverrides: [dear] })
  const overridesAt = (timeline: Timeline, instant: string) =>
    versionAt(timeline, at(instant))?.terms.priceOverrides

  it('a change of plan by a higher sequence drops those of lower ones', () => {
    const timeline = timelineOf(created, overridden, change('amended', 3, '2026-03-01', { plan: 'max' }))
    expect(overridesAt(timeline, '2026-02-01')).toEqual([dear])
    expect(overridesAt(timeline, '2026-03-01')).toEqual([])
  })

  it('a change of the plan version alone keeps the plan and drops them, too', () => {
    const timeline = timelineOf(created, overridden, change('amended', 3, '2026-03-01', { planVersion: 2 }))
    expect(versionAt(timeline, at('2026-03-01'))?.terms).toMatchObject({
      plan: 'pro',
      planVersion: 2,
      priceOverrides: [],
    })
  })

  it('the same plan stated again is no change and keeps them', () => {
    const timeline = timelineOf(created, overridden, change('amended', 3, '2026-03-01', { plan: 'pro' }))
    expect(overridesAt(timeline, '2026-03-01')).toEqual([dear])
  })

  it('a change of plan that brings its own sets those', () => {
    const moved = change('amended', 3, '2026-03-01', { plan: 'max', priceOverrides: [cheap] })
    expect(overridesAt(timelineOf(created, overridden, moved), '2026-03-01')).toEqual([cheap])
  })

  it('a back-dated change of plan drops those of a lower sequence that take effect after it', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-03-01', { priceOverrides: [dear] }),
      change('amended', 3, '2026-02-01', { plan: 'max' }),
    )
    expect(overridesAt(timeline, '2026-03-01')).toEqual([])
  })

  it('those of a higher sequence survive a change of plan that takes effect after them', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-03-01', { plan: 'max' }),
      change('amended', 3, '2026-02-01', { priceOverrides: [dear] }),
    )
    expect(overridesAt(timeline, '2026-03-01')).toEqual([dear])
  })

  it('an empty list takes them away', () => {
    const timeline = timelineOf(
      created,
      overridden,
      change('amended', 3, '2026-03-01', { priceOverrides: [] }),
    )
    expect(overridesAt(timeline, '2026-03-01')).toEqual([])
  })
})

describe('effective_until', () => {
  const ending = change('created', 1, '2026-01-01', { plan: 'pro', until: '2026-02-01' })

  it('from it on nothing is in force', () => {
    const timeline = timelineOf(ending)
    expect(summary(timeline)).toEqual(['2026-01-01..2026-02-01 1 active pro'])
    expect(versionAt(timeline, at('2026-02-01') - 1n)).toBeDefined()
    expect(versionAt(timeline, at('2026-02-01'))).toBeUndefined()
  })

  it('a renewal or an amendment that takes effect before it extends it without a gap', () => {
    expect(summary(timelineOf(ending, change('renewed', 2, '2026-01-20', { until: '2026-03-01' })))).toEqual([
      '2026-01-01..2026-01-20 1 active pro',
      '2026-01-20..2026-03-01 2 active pro',
    ])
    expect(summary(timelineOf(ending, change('amended', 2, '2026-02-01', { until: '2026-03-01' })))).toEqual([
      '2026-01-01..2026-02-01 1 active pro',
      '2026-02-01..2026-03-01 2 active pro',
    ])
  })

  it('a renewal that takes effect after it leaves a gap', () => {
    expect(summary(timelineOf(ending, change('renewed', 2, '2026-02-10', { until: '2026-03-01' })))).toEqual([
      '2026-01-01..2026-02-01 1 active pro',
      '2026-02-10..2026-03-01 2 active pro',
    ])
  })

  it('an amendment that brings it forward ends the subscription at the earlier instant', () => {
    const shorter = change('amended', 2, '2026-01-10', { until: '2026-01-15' })
    expect(summary(timelineOf(ending, shorter))).toEqual([
      '2026-01-01..2026-01-10 1 active pro',
      '2026-01-10..2026-01-15 2 active pro',
    ])
  })
})

describe('status', () => {
  it('a suspension is in force as suspended, until the subscription is resumed', () => {
    const timeline = timelineOf(
      created,
      change('suspended', 2, '2026-02-01'),
      change('resumed', 3, '2026-03-01'),
    )
    expect(summary(timeline)).toEqual([
      '2026-01-01..2026-02-01 1 active pro',
      '2026-02-01..2026-03-01 2 suspended pro',
      '2026-03-01.. 3 active pro',
    ])
  })

  it('a cancellation ends it, and a resumption of a higher sequence takes it up again', () => {
    const cancelled = change('cancelled', 2, '2026-02-01')
    expect(summary(timelineOf(created, cancelled))).toEqual(['2026-01-01..2026-02-01 1 active pro'])
    expect(summary(timelineOf(created, cancelled, change('resumed', 3, '2026-03-01')))).toEqual([
      '2026-01-01..2026-02-01 1 active pro',
      '2026-03-01.. 3 active pro',
    ])
  })

  it('a resumption that a later sequence back-dates to the cancellation undoes it without a gap', () => {
    const timeline = timelineOf(
      created,
      change('cancelled', 2, '2026-02-01'),
      change('resumed', 3, '2026-02-01'),
    )
    expect(summary(timeline)).toEqual(['2026-01-01..2026-02-01 1 active pro', '2026-02-01.. 3 active pro'])
  })

  it('a resumption of a lower sequence does not undo a cancellation', () => {
    const timeline = timelineOf(
      created,
      change('cancelled', 3, '2026-02-01'),
      change('resumed', 2, '2026-03-01'),
    )
    expect(summary(timeline)).toEqual(['2026-01-01..2026-02-01 1 active pro'])
  })

  it('an amendment or a renewal of a cancelled subscription does not bring it back', () => {
    const timeline = timelineOf(
      created,
      change('cancelled', 2, '2026-02-01'),
      change('amended', 3, '2026-03-01', { plan: 'max' }),
      change('renewed', 4, '2026-03-01', { until: '2027-01-01' }),
    )
    expect(summary(timeline)).toEqual(['2026-01-01..2026-02-01 1 active pro'])
  })

  it('a cancellation back-dated to the start leaves nothing in force', () => {
    expect(timelineOf(created, change('cancelled', 2, '2026-01-01')).versions).toEqual([])
  })
})

describe('versions', () => {
  it('an end that was superseded before it came does not cut a version', () => {
    const timeline = timelineOf(
      change('created', 1, '2026-01-01', { plan: 'pro', until: '2026-06-01' }),
      change('renewed', 2, '2026-03-01', { until: '2027-01-01' }),
    )
    expect(timeline.versions.map(version => version.terms.sequence)).toEqual([1, 2])
  })

  it('a lower sequence without a trace does not cut a version', () => {
    const timeline = timelineOf(
      created,
      change('amended', 2, '2026-03-01', { plan: 'team' }),
      change('amended', 3, '2026-02-01', { plan: 'max' }),
    )
    expect(summary(timeline)).toEqual(['2026-01-01..2026-02-01 1 active pro', '2026-02-01.. 3 active max'])
  })
})
