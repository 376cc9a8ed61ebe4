// The timeline against a resolver written from the contract's words alone: at an instant, for each field, the value of
// the highest sequence in effect that sets it. Random changes, random order of arrival.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Price } from '../../schemas/catalog/catalog.js'
import type { SubscriptionChange } from '../../schemas/lifecycle/lifecycle-event.js'
import { formatInstant, nsOf } from '../../schemas/time.js'
import { at, change, priceOf } from '../testing/example-subscription.js'
import { resolveTimeline, versionAt } from './timeline.js'

const day = (n: number) => formatInstant(at('2026-01-01') + nsOf(n * 86_400_000))

const overrideLists: readonly (readonly Price[])[] = ['1', '2', '3'].map(amount => [
  priceOf({ price: 'base', kind: 'recurring', amount, per: 'subscription', timing: 'in_advance' }),
])

/** Maybe a field: null leaves it out. */
function maybe<T>(name: string, values: fc.Arbitrary<T>): fc.Arbitrary<object> {
  return fc.option(values).map(value => (value === null ? {} : { [name]: value }))
}

const plans = fc.constantFrom(
  { plan: 'pro', planVersion: 1 },
  { plan: 'pro', planVersion: 2 },
  { plan: 'max', planVersion: 1 },
)

function amendment(from: number): fc.Arbitrary<object> {
  return fc
    .tuple(
      fc.oneof(fc.constant({}), plans, fc.constantFrom({ planVersion: 1 }, { planVersion: 2 })),
      maybe('quantities', fc.dictionary(fc.constantFrom('seats', 'disks'), fc.constantFrom('1', '2', '3'))),
      maybe('priceOverrides', fc.constantFrom(...overrideLists, [])),
      maybe('until', fc.integer({ min: from + 1, max: from + 20 }).map(day)),
      maybe('entityId', fc.constantFrom('de', 'us')),
    )
    .map(parts => Object.assign({}, ...parts) as object)
}

function anyChange(sequence: number): fc.Arbitrary<SubscriptionChange> {
  return fc.integer({ min: 0, max: 30 }).chain(from =>
    fc.oneof(
      { weight: 5, arbitrary: amendment(from).map(fields => change('amended', sequence, day(from), fields)) },
      fc
        .integer({ min: from + 1, max: from + 20 })
        .map(until => change('renewed', sequence, day(from), { until: day(until) })),
      fc
        .constantFrom('suspended' as const, 'resumed' as const, 'resumed' as const, 'cancelled' as const)
        .map(kind => change(kind, sequence, day(from))),
    ),
  )
}

const histories = fc
  .tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 15 }))
  .chain(([others, sequenceOfCreated, from]) =>
    fc.tuple(
      fc
        .tuple(plans, amendment(from), maybe('trialUntil', fc.integer({ min: from, max: from + 9 }).map(day)))
        .map(([plan, fields, trial]) =>
          // Half odd sequences, so that the created need not be the lowest.
          change('created', sequenceOfCreated * 2 + 1, day(from), { ...fields, ...trial, ...plan }),
        ),
      ...Array.from({ length: others }, (_, index) => anyChange(index * 2 + 2)),
    ),
  )

/** What the contract says about one instant, field by field; undefined when nothing is in force. */
function obvious(changes: readonly SubscriptionChange[], ns: bigint) {
  const known = changes.filter(one => one.effectiveFromNs <= ns).sort((a, b) => b.sequence - a.sequence)
  const highest = <T>(read: (one: SubscriptionChange) => T | undefined): T | undefined =>
    known.map(read).find(value => value !== undefined)
  const statuses: Record<string, string> = {
    created: 'active',
    resumed: 'active',
    suspended: 'suspended',
    cancelled: 'cancelled',
  }
  const until = highest(one => one.effectiveUntilNs)
  const status = highest(one => statuses[one.kind])
  if (!known.some(one => one.kind === 'created') || status === 'cancelled') return undefined
  if (until !== undefined && until <= ns) return undefined
  const planUnder = (sequence: number) => {
    const below = known.filter(one => one.sequence <= sequence)
    const plan = below.find(one => one.plan !== undefined)?.plan ?? ''
    return `${plan}/${below.find(one => one.planVersion !== undefined)?.planVersion ?? 0}`
  }
  const overriding = known.find(one => one.priceOverrides !== undefined)
  const dropped = known.some(
    one =>
      one.sequence > (overriding?.sequence ?? 0) &&
      planUnder(one.sequence) !== planUnder(overriding?.sequence ?? 0),
  )
  const quantities = (price: string) => highest(one => one.quantities?.get(price))
  return {
    sequence: known[0]?.sequence,
    status,
    plan: planUnder(Number.POSITIVE_INFINITY),
    seats: quantities('seats'),
    disks: quantities('disks'),
    overrides: dropped ? [] : (overriding?.priceOverrides ?? []),
    until,
    entity: highest(one => one.entityId) ?? '',
    trial: highest(one => one.trialUntilNs),
  }
}

function resolved(changes: readonly SubscriptionChange[], ns: bigint) {
  const timeline = resolveTimeline(changes)
  const version = timeline === undefined ? undefined : versionAt(timeline, ns)
  if (version === undefined) return undefined
  const { terms } = version
  return {
    sequence: terms.sequence,
    status: terms.status,
    plan: `${terms.plan}/${terms.planVersion}`,
    seats: terms.quantities.get('seats'),
    disks: terms.quantities.get('disks'),
    overrides: terms.priceOverrides,
    until: terms.effectiveUntilNs,
    entity: terms.entityId,
    trial: terms.trialUntilNs,
  }
}

it('at any instant the terms are those of the obvious resolver', () => {
  const instants = fc.array(fc.integer({ min: -24, max: 60 * 24 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(histories, instants, (changes, hours) => {
      for (const hour of hours) {
        const ns = at('2026-01-01') + nsOf(hour * 3_600_000)
        expect(resolved(changes, ns)).toEqual(obvious(changes, ns))
      }
      for (const { effectiveFromNs: ns } of changes) {
        expect(resolved(changes, ns)).toEqual(obvious(changes, ns))
        expect(resolved(changes, ns - 1n)).toEqual(obvious(changes, ns - 1n))
      }
    }),
    { numRuns: 300 },
  )
})

it('any order of arrival gives the same timeline', () => {
  fc.assert(
    fc.property(
      histories.chain(changes =>
        fc.tuple(fc.constant(changes), fc.shuffledSubarray(changes, { minLength: changes.length })),
      ),
      ([changes, shuffled]) => {
        expect(resolveTimeline(shuffled)).toEqual(resolveTimeline(changes))
      },
    ),
    { numRuns: 300 },
  )
})

it('versions are ordered, do not overlap, are not empty, and touching ones differ', () => {
  fc.assert(
    fc.property(histories, changes => {
      const versions = resolveTimeline(changes)?.versions ?? []
      for (const [index, { fromNs, untilNs, terms }] of versions.entries()) {
        const next = versions[index + 1]
        expect(fromNs).toBeLessThan(untilNs)
        if (next !== undefined) expect(untilNs).toBeLessThanOrEqual(next.fromNs)
        if (next?.fromNs === untilNs) expect(next.terms).not.toEqual(terms)
      }
    }),
    { numRuns: 300 },
  )
})
