// Of how one thing stands the newest record alone is sent, and an older one never after it; what is held tells what it would change.

import { expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../../sinks/connector.js'
import { accepted, LoopRig, unclear } from './testing/loop-rig.js'

function standing(id: string, customer = 'acme'): ConnectorRecord {
  const document = { customer_id: customer, standing_id: id }
  return { kind: 'customer_standing', id, key: id, recordedAt: '2026-11-01T00:00:00Z', document }
}

const idsOf = (rig: LoopRig): string[] => rig.sent.map(({ id }) => id)

test('of a burst the newest of each customer is sent, and the others are superseded', async () => {
  const rig = new LoopRig()
  rig.start()
  await rig.takeIn(...['a1', 'a2', 'a3'].map(id => standing(id)), standing('b1', 'bolt'))
  await rig.until(() => rig.states()['a3'] === 'posted' && rig.states()['b1'] === 'posted')
  await rig.stop()
  expect(idsOf(rig).sort()).toEqual(['a3', 'b1'])
  expect(rig.states()).toMatchObject({ a1: 'superseded', a2: 'superseded' })
  expect(rig.newest('a1')!.attempts.at(-1)).toMatchObject({ code: 'newer_record' })
})

test('a newer one waits until the one on its way is settled, and that one is not sent again', async () => {
  const rig = new LoopRig({ put: ({ id }) => (id === 'a1' ? unclear : accepted) })
  rig.settlesWithinMs = 300_000
  rig.start()
  await rig.takeIn(standing('a1'))
  await rig.until(() => rig.states()['a1'] === 'unclear')
  await rig.takeIn(standing('a2'))
  await rig.until(() => rig.states()['a2'] === 'posted') // a look-up tells that it never came
  await rig.stop()
  expect(idsOf(rig)).toEqual(['a1', 'a2'])
  expect(rig.sent[1]!.atMs - rig.sent[0]!.atMs).toBeGreaterThanOrEqual(300_000)
  expect(rig.states()).toMatchObject({ a1: 'superseded' })
})

test('an unclear one of which the receiver says nothing keeps a newer one back only while it can still be on its way', async () => {
  const rig = new LoopRig({
    put: ({ id }) => (id === 'a1' ? unclear : accepted),
    find: ({ id }) =>
      id === 'a1' ? { kind: 'unknown_yet', code: 'no_answer', detail: 'HTTP 500' } : { kind: 'absent' },
  })
  rig.settlesWithinMs = 300_000
  rig.start()
  await rig.takeIn(standing('a1'))
  await rig.until(() => rig.states()['a1'] === 'unclear')
  await rig.takeIn(standing('a2'))
  await rig.until(() => rig.states()['a2'] === 'posted')
  await rig.stop()
  expect(idsOf(rig)).toEqual(['a1', 'a2'])
  expect(rig.sent[1]!.atMs - rig.sent[0]!.atMs).toBeGreaterThanOrEqual(300_000)
  expect(rig.newest('a1')).toMatchObject({ state: 'superseded' })
  expect(rig.newest('a1')!.attempts.at(-1)).toMatchObject({ code: 'newer_record' })
  expect(rig.shelf.size).toBe(0)
})

test('what a process left without an answer keeps a newer one back for as long as its attempt could last, too', async () => {
  const rig = new LoopRig({ put: ({ id }) => (id === 'a1' ? unclear : accepted) })
  rig.settlesWithinMs = 300_000
  rig.start()
  await rig.takeIn(standing('a1'))
  await rig.until(() => rig.states()['a1'] === 'unclear')
  await rig.stop()
  const [last, at] = [rig.steps.findLastIndex(({ changed }) => changed.length > 0), rig.nowMs]
  rig.steps.splice(last) // as after a crash before its answer was kept
  rig.start()
  await rig.takeIn(standing('a2'))
  await rig.until(() => rig.states()['a2'] === 'posted')
  await rig.stop()
  expect(rig.sent[1]!.atMs - rig.sent[0]!.atMs).toBeGreaterThanOrEqual(301_000)
  expect(at - rig.sent[0]!.atMs).toBeLessThan(60_000)
})

test('a refused one is given up when a newer one comes, and never sent after it, also after a restart', async () => {
  let outcome: PutOutcome = { kind: 'refused', code: 'receiver_refused', detail: 'no' }
  const rig = new LoopRig({ put: () => outcome })
  rig.start()
  await rig.takeIn(standing('a1'), standing('b1', 'bolt'))
  await rig.until(() => rig.shelf.size === 2)
  outcome = accepted
  await rig.takeIn(standing('a2'))
  await rig.until(() => rig.states()['a2'] === 'posted')
  await rig.stop()
  expect([...rig.shelf.values()].map(({ content }) => JSON.parse(content).standing_id)).toEqual(['b1'])
  rig.start() // what is still set aside is tried
  await rig.until(() => rig.states()['b1'] === 'posted')
  await rig.stop()
  expect(idsOf(rig)).toEqual(['a1', 'b1', 'a2', 'b1'])
  expect(rig.states()).toMatchObject({ a1: 'superseded', a2: 'posted' })
})

test('a restart with an older one set aside and a newer one open sends the newer alone', async () => {
  const rig = new LoopRig({ put: () => ({ kind: 'refused', code: 'receiver_refused', detail: 'no' }) })
  rig.start()
  await rig.takeIn(standing('a1'))
  await rig.until(() => rig.shelf.size === 1)
  rig.gate.steer({ record: () => ({ code: 'frozen', detail: 'frozen' }) })
  const kept = [...rig.shelf]
  await rig.takeIn(standing('a2'))
  await rig.until(() => rig.states()['a2'] === 'held')
  await rig.stop()
  for (const [name, record] of kept) rig.shelf.set(name, record) // as after a crash before it was taken back
  rig.start()
  await rig.until(() => rig.shelf.size === 0)
  const before = rig.sent.length
  rig.gate.steer({ record: () => undefined })
  await rig.until(() => rig.sent.length > before)
  await rig.stop()
  expect(idsOf(rig).slice(before)).toEqual(['a2'])
})

test('what is held in read-only mode tells what it would change, without a sending, and is asked for again when it could not', async () => {
  let asked = 0
  const rig = new LoopRig({}, async ({ id }) => {
    asked += 1
    if (asked === 1) return { kind: 'throttled', code: 'rate_limited', detail: '429' }
    return id === 'b1'
      ? { kind: 'refused', code: 'object_not_found', detail: 'nobody' }
      : { kind: 'would', detail: 'would change Account 1: x 1 -> 2' }
  })
  rig.gate.steer({ record: () => ({ code: 'read_only', detail: 'the connection c is read-only' }) })
  rig.start()
  await rig.takeIn(standing('a1'), standing('a2'), standing('b1', 'bolt'))
  await rig.until(
    () => rig.newest('a2')?.held?.would !== undefined && rig.newest('b1')?.held?.would !== undefined,
  )
  expect(rig.newest('a2')!.held).toEqual({
    code: 'read_only',
    detail: 'the connection c is read-only',
    would: 'would change Account 1: x 1 -> 2',
  })
  expect(rig.newest('b1')!.held!.would).toBe('would not be sent: object_not_found: nobody')
  expect(asked).toBe(3)
  expect(rig.states()).toMatchObject({ a1: 'superseded', a2: 'held' })
  rig.gate.steer({ record: () => ({ code: 'frozen', detail: 'frozen by ops' }) })
  await rig.until(() => rig.newest('a2')?.held?.code === 'frozen')
  expect(rig.newest('a2')!.held).toEqual({ code: 'frozen', detail: 'frozen by ops' })
  expect(asked).toBe(3)
  rig.gate.steer({ record: () => undefined })
  await rig.until(() => rig.states()['a2'] === 'posted')
  await rig.stop()
  expect(rig.sent.map(({ id }) => id).sort()).toEqual(['a2', 'b1'])
})
