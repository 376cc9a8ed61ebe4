// Charges in typed arrays: what deltas and snapshots give back.

import { deserialize, serialize } from 'node:v8'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stableId } from '../../../schemas/identifiers.js'
import { ChargeMap } from './charge-map.js'
import { PartitionState } from './partition-state.js'
import type { UsageCharge } from './records.js'

const amount = fc.oneof(fc.bigInt({ min: -(2n ** 130n), max: 2n ** 130n }), fc.bigInt({ min: -9n, max: 9n }))
const state = fc.oneof(
  fc.record({ kind: fc.constantFrom('sum' as const, 'count' as const), total: amount }),
  fc.record({ kind: fc.constant('max' as const), greatest: fc.option(amount, { nil: undefined }) }),
)

const idOf = (index: number) => stableId('ch', index)

function charge(index: number): UsageCharge {
  return {
    chargeId: idOf(index),
    serial: -1,
    customerId: `cus_${index % 2}`,
    subscriptionId: `sub_${index % 3}`,
    price: 'p',
    meter: 'm',
    plan: 'pro',
    planVersion: 1,
    entityId: '',
    currency: 'USD',
    subscriptionVersion: 1,
    fromNs: 0n,
    untilNs: 1n,
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
      const byId = (one: PartitionState) =>
        new Map([...one.maps.charges.stopAllRunning()].map(charge => [charge.chargeId, charge]))
      expect(byId(restored)).toEqual(byId(live))
      // Once more from a state that was restored while its charges were running.
      const again = PartitionState.restore(Number.POSITIVE_INFINITY, undefined, [restored.snapshot()])
      expect(byId(again)).toEqual(byId(live))
    }),
    { numRuns: 300 },
  )
})

test('a charge that only moved on leaves its terms out of the delta', () => {
  const live = new ChargeMap()
  for (let i = 0; i < 100; i += 1) live.set(charge(i))
  const first = live.takeDelta()
  expect(first.running?.put.serials).toHaveLength(100)
  for (let i = 0; i < 50; i += 1) live.touch(idOf(i))
  const second = live.takeDelta()
  expect(second.set).toHaveLength(0)
  expect(second.running?.put.serials).toHaveLength(0)
  expect(second.running?.moved.serials).toHaveLength(50)
  expect(serialize(second).length).toBeLessThan(serialize(first).length / 3)
})

test('a customer has the charges that were put for him, in their order, and not those that were removed', () => {
  const live = new ChargeMap()
  const put = Array.from({ length: 300 }, (_, i) => charge(i))
  for (const one of put) live.set(one)
  const removed = put.filter((_, i) => i % 5 === 0)
  for (const { chargeId } of removed) live.delete(chargeId)
  const left = put.filter((_, i) => i % 5 !== 0)
  for (const customerId of ['cus_0', 'cus_1']) {
    const own = left.filter(one => one.customerId === customerId).map(one => one.chargeId)
    expect(live.stopRunningOf(customerId).map(one => one.chargeId)).toEqual(own)
  }
  expect(live.stopRunningOf('cus_2')).toEqual([])
  expect(removed.map(({ chargeId }) => live.stopRunning(chargeId))).toEqual(removed.map(() => undefined))
})

test('a charge that a snapshot does not know is put again later, under another serial, and is found', () => {
  const id = idOf(0)
  const first = new ChargeMap()
  for (let i = 0; i < 9; i += 1) first.set(charge(i))
  const beginning = first.takeDelta()
  first.delete(id)
  const removal = first.takeDelta()
  const second = new ChargeMap()
  for (const part of first.dump()) second.apply(part) // knows nothing of the first charge
  second.set(charge(0))
  const third = new ChargeMap()
  for (const delta of [beginning, removal, second.takeDelta()]) third.apply(delta)
  expect(third.stopRunning(id)?.chargeId).toBe(id)
  expect(third.stopRunning(id)?.serial).toBe(second.stopRunning(id)?.serial)
  expect([...third.stopAllRunning()]).toHaveLength(9)
})

test('only the id of a charge names one', () => {
  const live = new ChargeMap()
  expect(() => live.set({ ...charge(1), chargeId: 'ch_1' })).toThrow('is not that of a charge')
  const { chargeId } = charge(1)
  live.set(charge(1))
  for (const other of [chargeId.toUpperCase(), `${chargeId}0`, `xx${chargeId.slice(2)}`, '']) {
    expect(live.stopRunning(other)).toBeUndefined()
  }
})

test.each([1, 2, 3, 4])('a state of format %s, which knows no nanoseconds, is refused', format => {
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
  live.running(one.serial)?.add(one.serial, 5, 1n, 1n, true)
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
  const known = live.maps.charges.stopRunning(idOf(index))
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
  const known = live.maps.charges.stopRunning(idOf(index))
  const running = known === undefined ? undefined : live.maps.charges.running(known.serial)
  if (known === undefined || running === undefined) return
  const { serial } = known
  const before = running.events(serial)
  const total = running.total(serial) + BigInt(events)
  const owed = emitted > 0n ? emitted >> 4n : -(-emitted >> 4n)
  running.add(serial, events, total, owed, true)
  expect([running.events(serial), running.total(serial), running.emitted(serial)]).toEqual([
    before + 1,
    total,
    owed,
  ])
}
