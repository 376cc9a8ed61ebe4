// The values that random events are chosen from: for a subscription, a change, usage, and other events. Every
// choice is an index or a small constant; events.ts makes events from the choices.

import fc from 'fast-check'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { commitments } from './commitments.js'

/** An instant is a number of steps of the pace after the start. */
export const slots = 60
const slot = fc.nat({ max: slots - 1 })
const index = fc.nat({ max: 59 })
export const rank = fc.nat({ max: 99 })
/**
 * Some instants lie off the grid by some nanoseconds: by less than a millisecond, so that several share one,
 * or by hours.
 */
const jitterNs = fc.oneof(
  { weight: 5, arbitrary: fc.constant(0n) },
  { weight: 2, arbitrary: fc.constantFrom(1n, -1n, 999_999n, 100_000n, 1_000_000n, -1_000_000n) },
  { weight: 1, arbitrary: fc.constantFrom(1_800_000_000_000n, 3_600_000_000_001n, 12_345_678_901_234n) },
)
const instant = fc.tuple(slot, jitterNs)
/** Usage is dense, so that each charge has some. */
const usageSlot = fc.integer({ min: 14, max: 40 })
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
const sometimes = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const zones = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Asia/Kolkata',
] as const
const anchors = [
  '2026-01-31T00:00:00Z',
  '2025-12-30T23:30:00+02:00',
  '2026-01-29T10:00:00.5Z',
  '2024-02-29T02:30:00Z',
]
const seats = fc.constantFrom<unknown>(
  '1',
  '5',
  '2.5',
  '0',
  new ExactNumber('9007199254740993'),
  `7${'0'.repeat(25)}`,
)

/**
 * Numbers as JSON may write them, whether or not a double can hold them; the argument limits the digits
 * before the point.
 */
const digitsOf = (before: number) =>
  fc
    .record({
      whole: fc.bigInt({ min: 0n, max: 10n ** BigInt(before) - 1n }),
      fraction: fc.oneof(fc.constant(''), fc.stringMatching(/^[0-9]{1,12}$/)),
      zeros: fc.constantFrom('', '', '0', '000000000000000'),
      exponent: fc.constantFrom('', '', 'e0', 'E+0'),
    })
    .map(({ whole, fraction, zeros, exponent }) => {
      const places = fraction === '' ? zeros : `${fraction}${zeros}`
      return `${whole}${places === '' ? '' : `.${places}`}${exponent}`
    })
/** Numbers of up to 32 digits, so that the sum of a few amounts fits in 38. */
const manyDigits = digitsOf(20).chain(digits =>
  fc.constantFrom<unknown>(new ExactNumber(digits), new ExactNumber(digits), digits),
)
const tooManyDigits = fc
  .constantFrom(...['1e-13', '0.1000000000000000055', '1e999999999', '-1e-999999999', '9e38'])
  .map(text => new ExactNumber(text))
const longIds = fc.constantFrom<unknown>(
  ...['1234567890123456789', '1234567890123456788', '12345678901234567890123456789012345678'].flatMap(id => [
    new ExactNumber(id),
    new ExactNumber(`${id}.0`),
    id,
  ]),
)
/** Places of coupons, in the order in which they are taken off; a place that no catalog has is an unknown code. */
const coupons = fc.uniqueArray(fc.nat({ max: 2 }), { maxLength: 3, size: 'max' })
/** Whether changes may name prices that no plan has. */
const careless = fc.constantFrom(...Array<boolean>(14).fill(false), true)

export const subscription = fc.record({
  rank,
  customer: fc.constantFrom('c1', 'c1', 'c2'),
  from: fc.tuple(fc.nat({ max: 15 }), jitterNs),
  plan: index,
  isVersioned: fc.boolean(),
  anchor: seldom(fc.constantFrom(...anchors)),
  timezone: sometimes(fc.constantFrom(...zones)),
  trial: seldom(instant),
  until: seldom(instant),
  seats: fc.oneof({ weight: 3, arbitrary: seats }, { weight: 1, arbitrary: fc.constant(undefined) }),
  overrides: seldom(fc.array(index, { maxLength: 2 })),
  entity: seldom(fc.constantFrom('de', 'us')),
  contract: seldom(fc.constant('k1')),
  coupons: sometimes(coupons),
  commitments: seldom(commitments),
  careless,
})

export const change = fc.record({
  rank,
  subscription: index,
  kind: fc.constantFrom(
    ...(['amended', 'amended', 'amended', 'amended', 'suspended', 'suspended'] as const),
    ...(['resumed', 'resumed', 'cancelled', 'renewed', 'created'] as const),
  ),
  from: instant,
  /** If absent, the change is sent before everything that happens. */
  sent: seldom(instant),
  /** 0: the same sequence as the change before. */
  step: fc.constantFrom(1, 1, 1, 2, 3, 1, 1, 1, 0),
  plan: sometimes(index),
  isVersioned: fc.boolean(),
  /** A version of the plan in force, for a change that names no plan. */
  version: seldom(fc.constantFrom(1, 2)),
  seats: sometimes(seats),
  overrides: seldom(fc.array(index, { maxLength: 2 })),
  until: seldom(fc.oneof(instant, fc.constant(null))),
  anchor: seldom(fc.constantFrom(...anchors)),
  trial: seldom(fc.oneof(instant, fc.constant(null))),
  entity: seldom(fc.constantFrom('de', 'us')),
  coupons: seldom(coupons),
  commitments: seldom(commitments),
  careless,
  stranger: fc.constantFrom(...Array<boolean>(15).fill(false), true),
})

export const usage = fc.record({
  rank,
  /** The subscription whose customer the event belongs to; or no subscription's customer. */
  of: index,
  stranger: fc.constantFrom(...Array<boolean>(14).fill(false), true),
  at: fc.oneof(
    { weight: 15, arbitrary: fc.tuple(usageSlot, jitterNs) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  ),
  type: fc.constantFrom(...Array<string>(14).fill('use'), 'other', 'unknown'),
  source: fc.constantFrom('api', 'api', 'app'),
  pin: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 5, arbitrary: fc.constant('own' as const) },
    { weight: 1, arbitrary: index },
  ),
  n: fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom<unknown>('1', '2.5', 3, '0', '12.000000000001', '7', 0.25) },
    { weight: 3, arbitrary: fc.constantFrom<unknown>('-1', -2.5) },
    { weight: 4, arbitrary: manyDigits },
    { weight: 1, arbitrary: tooManyDigits },
    { weight: 1, arbitrary: fc.constantFrom<unknown>('much', '1e30', undefined, null) },
  ),
  user: fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom<unknown>('ann', 'bob', 7, '7', new ExactNumber('70e-1')) },
    { weight: 6, arbitrary: longIds },
    { weight: 1, arbitrary: tooManyDigits },
  ),
  model: fc.constantFrom<unknown>('small', 'small', 'large', undefined),
  region: fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom<unknown>('eu', 'eu', 'us', 7, undefined) },
    {
      weight: 6,
      arbitrary: fc.constantFrom<unknown>(
        ...['9007199254740993', '900719925474099.30e1', '9007199254740992', '7.0'].map(
          text => new ExactNumber(text),
        ),
      ),
    },
    { weight: 1, arbitrary: tooManyDigits },
  ),
  tag: fc.constantFrom<unknown>(true, undefined),
  action: fc.constantFrom<unknown>(
    ...Array<string>(9).fill('add'),
    ...Array<string>(8).fill('remove'),
    ...['purge', undefined],
  ),
})

/** What an amendment brings; undefined stays as the event brought it. */
const amended = fc.record({
  at: fc.tuple(usageSlot, jitterNs),
  brings: fc.constantFrom(
    'data',
    'data',
    'time',
    'subject',
    'all',
    'all',
    'all_elsewhere',
    'other_type',
    'pin',
    'none',
  ),
  n: fc.constantFrom<unknown>('1', '4', 2.5, '7', 'much', '-1', undefined),
  customer: fc.constantFrom('c1', 'c2', 'c3'),
  /** Several amendments of one event have the same time now and then, so that their ids decide. */
  sent: fc.nat({ max: 3 }),
})

export const extra = fc.record({
  rank,
  kind: fc.constantFrom(
    ...(['retraction', 'copy', 'copy', 'conflict', 'other', 'invalid'] as const),
    ...(['amendment', 'amendment', 'amendment', 'amendment'] as const),
  ),
  of: index,
  stranger: fc.constantFrom(false, false, false, true),
  which: index,
  amended,
})

type Value<T> = T extends fc.Arbitrary<infer V> ? V : never
export type UsageChoice = Value<typeof usage>
export type ExtraChoice = Value<typeof extra>

export interface Chosen {
  readonly subscriptions: readonly Value<typeof subscription>[]
  readonly changes: readonly Value<typeof change>[]
  /** True: nothing comes late or in two versions. */
  readonly isOrderly: boolean
}
