import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyMovedCharges, takeMovedCharges } from './moved-charges.js'
import { PartitionState } from './partition-state.js'
import type { UsageCharge } from './records.js'

const amount = fc.oneof(fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }), fc.bigInt({ min: -9n, max: 9n }))
const state = fc.oneof(
  fc.record({ kind: fc.constantFrom('sum' as const, 'count' as const), total: amount }),
  fc.record({ kind: fc.constant('max' as const), greatest: fc.option(amount, { nil: undefined }) }),
)

function charge(index: number): UsageCharge {
  return {
    chargeId: `ch_${index}`,
    serial: -1,
    customerId: 'cus_1',
    subscriptionId: 'sub_1',
    price: 'p',
    meter: 'm',
    plan: 'pro',
    planVersion: 1,
    entityId: '',
    currency: 'USD',
    subscriptionVersion: 1,
    fromMs: 0,
    untilMs: 1,
    accumulator: {
      events: 0,
      firstMs: 0,
      lastMs: 0,
      levelsAtStart: undefined,
      state: { kind: 'sum', total: 0n },
    },
    emitted: 0n,
  }
}

test('deltas with moved charges restore the charges as they are, whatever was touched, replaced or removed', () => {
  const step = fc.record({
    index: fc.nat({ max: 5 }),
    act: fc.constantFrom('touch', 'touch', 'put', 'remove', 'delta'),
    state,
    emitted: amount,
    events: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const live = new PartitionState(Number.POSITIVE_INFINITY)
      const deltas: Uint8Array[] = []
      for (const { index, act, ...values } of steps) {
        const known = live.maps.charges.get(`ch_${index}`)
        if (act === 'delta') deltas.push(live.takeDelta())
        else if (act === 'remove') {
          if (known !== undefined) live.removeCharge(known)
        } else if (act === 'put' || known === undefined) {
          const { accumulator, ...rest } = charge(index)
          live.putCharge({
            ...rest,
            accumulator: { ...accumulator, state: { ...values.state } },
            emitted: values.emitted,
          })
        } else {
          known.accumulator.events = values.events
          known.accumulator.lastMs = values.events * 2
          if (known.accumulator.state.kind === values.state.kind)
            Object.assign(known.accumulator, { state: { ...values.state } })
          known.emitted = values.emitted
          live.maps.charges.touch(known.chargeId)
        }
      }
      deltas.push(live.takeDelta())
      const restored = PartitionState.restore(Number.POSITIVE_INFINITY, undefined, deltas)
      const byId = (one: PartitionState) => new Map(one.maps.charges.entries())
      expect(byId(restored)).toEqual(byId(live))
      expect(live.changed).toBe(false)
    }),
    { numRuns: 300 },
  )
})

test('a charge that only moved on leaves its whole record out of the delta', () => {
  const live = new PartitionState(Number.POSITIVE_INFINITY)
  for (let i = 0; i < 100; i += 1) live.putCharge(charge(i))
  const whole = live.takeDelta().length
  for (let i = 0; i < 100; i += 1) live.maps.charges.touch(`ch_${i}`)
  expect(live.takeDelta().length).toBeLessThan(whole / 3)
})

test.each([1, 2])('a state of format %s, which knows events by other hashes, is refused', format => {
  const live = new PartitionState(Number.POSITIVE_INFINITY)
  live.putCharge(charge(1))
  const old = serialize({ ...(deserialize(live.takeDelta()) as Record<string, unknown>), format })
  expect(() => PartitionState.restore(Number.POSITIVE_INFINITY, undefined, [old])).toThrow(
    `State of format ${format} cannot be read`,
  )
})

test('a delta that moves on what is not there is refused', () => {
  const live = new PartitionState(Number.POSITIVE_INFINITY)
  live.putCharge(charge(1))
  live.takeDelta()
  live.maps.charges.touch('ch_1')
  const moved = takeMovedCharges(live.maps.charges)
  expect(() => applyMovedCharges([], moved)).toThrow('lacks charge 0')
})
