import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ChargeMap } from './charge-map.js'
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
    act: fc.constantFrom('touch', 'touch', 'run', 'run', 'put', 'remove', 'get', 'delta', 'snapshot'),
    state,
    emitted: amount,
    events: fc.nat(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const live = new PartitionState(Number.POSITIVE_INFINITY)
      let snapshot: Uint8Array | undefined
      let deltas: Uint8Array[] = []
      for (const { index, act, ...values } of steps) {
        if (act === 'delta') deltas.push(live.takeDelta())
        else if (act === 'snapshot') {
          live.takeDelta()
          snapshot = live.snapshot()
          deltas = []
        } else if (act === 'run') runOn(live, index, values)
        else change(live, index, act, values)
      }
      deltas.push(live.takeDelta())
      expect(live.changed).toBe(false)
      const restored = PartitionState.restore(Number.POSITIVE_INFINITY, snapshot, deltas)
      const byId = (one: PartitionState) => new Map(one.maps.charges.entries())
      expect(byId(restored)).toEqual(byId(live))
      // Once more from a state that was restored while its charges were running.
      const again = PartitionState.restore(Number.POSITIVE_INFINITY, undefined, [restored.snapshot()])
      expect(byId(again)).toEqual(byId(live))
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
  const live = new ChargeMap()
  const one = charge(1)
  live.set(one)
  live.takeDelta()
  live.running(one.serial)?.add(one.serial, 5, 1n, 1n)
  expect(() => new ChargeMap().apply(live.takeDelta())).toThrow('lacks charge 0')
})

test('an amount that 38 digits do not hold does not run', () => {
  const live = new ChargeMap()
  const one = { ...charge(1), emitted: 10n ** 38n }
  live.set(one)
  expect(live.running(one.serial)).toBeUndefined()
})

interface Values {
  readonly state: UsageCharge['accumulator']['state']
  readonly emitted: bigint
  readonly events: number
}

function change(live: PartitionState, index: number, act: string, { state, emitted, events }: Values): void {
  const known = live.maps.charges.get(`ch_${index}`)
  if (act === 'remove') {
    if (known !== undefined) live.removeCharge(known)
  } else if (act === 'put' || known === undefined) {
    const { accumulator, ...rest } = charge(index)
    live.putCharge({ ...rest, accumulator: { ...accumulator, state: { ...state } }, emitted })
  } else if (act === 'touch') {
    known.accumulator.events = events
    known.accumulator.lastMs = events * 2
    if (known.accumulator.state.kind === state.kind) Object.assign(known.accumulator, { state: { ...state } })
    known.emitted = emitted
    live.maps.charges.touch(known.chargeId)
  }
}

/** An event more, as plain usage brings it. */
function runOn(live: PartitionState, index: number, { emitted, events }: Values): void {
  const known = live.maps.charges.get(`ch_${index}`)
  const running = known === undefined ? undefined : live.maps.charges.running(known.serial)
  if (known === undefined || running === undefined) return
  const { serial } = known
  const before = running.events(serial)
  const total = running.total(serial) + BigInt(events)
  const owed = emitted > 0n ? emitted >> 4n : -(-emitted >> 4n)
  running.add(serial, events, total, owed)
  expect([running.events(serial), running.total(serial), running.emitted(serial)]).toEqual([
    before + 1,
    total,
    owed,
  ])
}
