// A record that fails alone becomes an exception, and its neighbours go on; an outage counts against no record.

import { expect, test } from 'vitest'
import type { FindOutcome } from '../../sinks/connector.js'
import { reopenedDelivery } from './refused-deliveries.js'
import { accepted, journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

const hourMs = 3_600_000
/** What is a day by default: shorter, so that the test is. */
const limits = { failingMs: hourMs }

test('a record that always fails is given up with its history after 20 failures of its own, and its neighbours go on', async () => {
  const rig = new LoopRig({ put: ({ id }) => (id === 'poison' ? unclear : accepted) })
  rig.start()
  await rig.takeIn(journalRecord('poison'), journalRecord('a'), journalRecord('b'))
  await rig.until(() => rig.states()['b'] === 'posted')
  const triedBefore = rig.sent.filter(({ id }) => id === 'poison').length
  expect(triedBefore).toBeLessThan(4) // it does not stand in the way of the others
  for (let n = 0; rig.states()['poison'] !== 'refused'; n += 1) {
    await rig.takeIn(journalRecord(`n${n}`))
    const tried = rig.sent.length
    await rig.until(
      () => rig.states()[`n${n}`] === 'posted' && (rig.sent.length > tried + 1 || rig.shelf.size > 0),
    )
  }
  await rig.stop()
  const [exception] = rig.shelf.values()
  expect(exception).toMatchObject({ code: 'attempts_exhausted' })
  expect(exception!.detail).toContain('no_answer: HTTP 500: oops')
  const kept = reopenedDelivery(exception!)!
  expect(kept.failed?.own).toBe(20)
  expect(kept.attempts.at(-1)).toMatchObject({ outcome: 'found_absent', code: 'attempts_exhausted' })
  expect(kept.attempts.filter(one => one.outcome === 'unclear').length).toBeGreaterThan(2)
  expect(rig.newest('poison')!.customer_id).toBe('acme')
})

test('an outage of three times the limit gives no record up, and all of them go when it ends', async () => {
  let isDown = true
  const rig = new LoopRig({ put: () => (isDown ? unclear : accepted) })
  rig.start(limits)
  const begunMs = rig.nowMs
  await rig.takeIn(...Array.from({ length: 30 }, (_, n) => journalRecord(`r${n}`)))
  await rig.until(() => rig.nowMs > begunMs + 3 * hourMs)
  expect(rig.shelf.size).toBe(0)
  isDown = false
  await rig.until(() => Object.values(rig.states()).every(state => state === 'posted'))
  await rig.stop()
})

test('rate limits and refused connections count against no record', async () => {
  const rig = new LoopRig({
    put: ({ id }) => (id === 'slow' ? { kind: 'throttled', code: 'rate_limited', detail: '429' } : accepted),
  })
  rig.start(limits)
  const begunMs = rig.nowMs
  await rig.takeIn(journalRecord('slow'))
  await rig.until(() => rig.nowMs > begunMs + 3 * hourMs)
  await rig.stop()
  expect(rig.states()['slow']).toBe('waiting')
  expect(rig.shelf.size).toBe(0)
})

test('the last record of all, which nobody overtakes, is given up after the limit', async () => {
  const rig = new LoopRig({ put: () => unclear })
  rig.start(limits)
  const begunMs = rig.nowMs
  await rig.takeIn(journalRecord('alone'))
  await rig.until(() => rig.states()['alone'] === 'refused')
  await rig.stop()
  expect(rig.nowMs - begunMs).toBeGreaterThan(hourMs)
  expect(rig.nowMs - begunMs).toBeLessThan(1.5 * hourMs)
})

test('a record of which nobody knows whether it is there becomes an exception, and is not sent again', async () => {
  const unknown: FindOutcome = { kind: 'unknown_yet', code: 'no_answer', detail: '' }
  const rig = new LoopRig({
    put: ({ id }) => (id === 'lost' ? unclear : accepted),
    find: () => unknown,
  })
  rig.start({ ...limits, ownFailuresMost: 1 })
  const begunMs = rig.nowMs
  await rig.takeIn(journalRecord('lost'), journalRecord('a'))
  await rig.until(() => rig.nowMs > begunMs + 3 * hourMs)
  await rig.stop()
  expect(rig.states()).toEqual({ lost: 'refused', a: 'posted' })
  expect(rig.sent.filter(({ id }) => id === 'lost')).toHaveLength(1)
  expect([...rig.shelf.values()].map(({ code }) => code)).toEqual(['look_up_unanswered'])
})

test('a record that was given up goes without a restart once somebody says retry, with a new count', async () => {
  let isMended = false
  const rig = new LoopRig({ put: ({ id }) => (id === 'poison' && !isMended ? unclear : accepted) })
  rig.start({ ownFailuresMost: 1 })
  await rig.takeIn(journalRecord('poison'), journalRecord('a'))
  await rig.until(() => rig.states()['poison'] === 'refused')
  isMended = true
  rig.ask('retry', 'poison')
  await rig.until(() => rig.states()['poison'] === 'posted')
  await rig.until(() => rig.asked.size === 0)
  await rig.stop()
  expect(rig.shelf.size).toBe(0)
  expect(rig.newest('poison')!.failed).toBeUndefined()
})
