// Corrections and releases go after the record that they correct or release.

import { expect, test } from 'vitest'
import type { PutOutcome } from '../../sinks/connector.js'
import { accepted, journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

const refused: PutOutcome = { kind: 'refused', code: 'period_closed', detail: 'closed' }
const original = journalRecord('je_1')
const correction = journalRecord('je_2', { after: 'ch_je_1' })
const release = journalRecord('je_3', { kind: 'release', after: 'je_1' })
const ids = (rig: LoopRig): string[] => rig.sent.map(({ id }) => id)

test('a correction waits until what it corrects has an answer, others pass it, and then it goes', async () => {
  let isKnown = false
  const rig = new LoopRig({
    put: ({ id }) => (id === 'je_1' ? unclear : accepted),
    find: () =>
      isKnown
        ? { kind: 'there', externalId: 'x', state: 'posted' }
        : { kind: 'unknown_yet', code: 'no_answer', detail: '' },
  })
  rig.pageSize = 10
  rig.start()
  await rig.takeIn(original, correction, release, journalRecord('je_4'))
  await rig.until(() => rig.states()['je_4'] === 'posted')
  expect(ids(rig)).toEqual(['je_1', 'je_4'])
  expect(rig.states()).toMatchObject({ je_2: 'waiting', je_3: 'waiting' })
  isKnown = true
  await rig.until(() => rig.states()['je_3'] === 'posted')
  await rig.stop()
  expect(ids(rig)).toEqual(['je_1', 'je_4', 'je_2', 'je_3'])
})

test('what comes after a refused record is held with the reason, across a restart, and goes after the mended one', async () => {
  let isMended = false
  const rig = new LoopRig({ put: ({ id }) => (id === 'je_1' && !isMended ? refused : accepted) })
  rig.start()
  await rig.takeIn(original, correction, release)
  await rig.until(() => rig.states()['je_2'] === 'held' && rig.states()['je_3'] === 'held')
  expect(rig.newest('je_2')!.held).toEqual({
    code: 'waits_for_record',
    detail: expect.stringContaining('period_closed'),
  })
  expect(rig.backlog()?.heldBy).toEqual({ waits_for_record: 2 })
  await rig.stop()
  rig.start()
  await rig.until(() => ids(rig).length === 2 && rig.states()['je_1'] === 'refused')
  isMended = true
  rig.ask('retry', 'je_1')
  await rig.until(() => rig.states()['je_3'] === 'posted')
  await rig.stop()
  expect(ids(rig)).toEqual(['je_1', 'je_1', 'je_1', 'je_2', 'je_3'])
})

test('somebody lets a record go although what it corrects was refused', async () => {
  const rig = new LoopRig({ put: ({ id }) => (id === 'je_1' ? refused : accepted) })
  rig.start()
  await rig.takeIn(original, correction, release)
  await rig.until(() => rig.states()['je_3'] === 'held')
  rig.ask('release', 'je_2')
  await rig.until(() => rig.states()['je_2'] === 'posted')
  await rig.stop()
  expect(rig.states()).toMatchObject({ je_1: 'refused', je_3: 'held' })
})

test('a written record is enough, and a record of another connection is not waited for', async () => {
  const rig = new LoopRig({
    put: ({ id }) => (id === 'je_1' ? { kind: 'written', externalId: 'x' } : accepted),
    find: () => ({ kind: 'there', externalId: 'x', state: 'written' }),
  })
  rig.start()
  await rig.takeIn(original, correction, journalRecord('je_5', { after: 'ch_of_somebody' }))
  await rig.until(() => rig.states()['je_2'] === 'posted' && rig.states()['je_5'] === 'posted')
  await rig.stop()
  expect(rig.states()['je_1']).toBe('written')
})

test('what comes after a discarded record is an exception of its own; neither goes by itself, and the later one does once somebody says so', async () => {
  const rig = new LoopRig({ put: ({ id }) => (id === 'je_1' ? refused : accepted) })
  rig.start()
  await rig.takeIn(original, correction, release)
  await rig.until(() => rig.states()['je_3'] === 'held')
  rig.discard('je_1')
  await rig.until(() => rig.states()['je_2'] === 'refused' && rig.states()['je_3'] === 'refused')
  expect([...rig.shelf.values()].map(({ code }) => code)).toEqual([
    'period_closed',
    'original_discarded',
    'original_discarded',
  ])
  await rig.stop()
  rig.start() // refused records are tried again at a start, but not what was discarded, nor what waits for somebody's word
  await rig.takeIn(journalRecord('je_4'))
  await rig.until(() => rig.states()['je_4'] === 'posted')
  expect(ids(rig)).toEqual(['je_1', 'je_4'])
  rig.ask('retry', 'je_2')
  await rig.until(() => rig.states()['je_2'] === 'posted')
  await rig.stop()
  expect(ids(rig)).toEqual(['je_1', 'je_4', 'je_2'])
})

test('many unclear records, looked up again and again, keep no new ones back, and are looked up in the order in which they were sent', async () => {
  const looked: string[] = []
  let isTold = false
  const rig = new LoopRig({
    put: ({ id }) => (id.startsWith('lost') ? unclear : accepted),
    find: ({ id }) => {
      looked.push(id)
      return isTold
        ? { kind: 'there', externalId: 'x', state: 'posted' }
        : { kind: 'unknown_yet', code: 'no_answer', detail: '' }
    },
  })
  rig.start({ retryMinMs: 1, retryMaxMs: 1, lookupMs: 1, lookupsAtOnce: 10 })
  const lost = Array.from({ length: 40 }, (_, n) => `lost_${String(n).padStart(2, '0')}`)
  await rig.takeIn(...lost.map(id => journalRecord(id)))
  await rig.until(() => lost.every(id => rig.states()[id] === 'unclear'))
  expect(ids(rig)).toEqual(lost)
  const later = Array.from({ length: 20 }, (_, n) => `new_${String(n).padStart(2, '0')}`)
  await rig.takeIn(...later.map(id => journalRecord(id)))
  await rig.until(() => later.every(id => rig.states()[id] === 'posted'))
  expect(ids(rig).slice(lost.length)).toEqual(later)
  expect(new Set(looked)).toEqual(new Set(lost))
  looked.length = 0
  isTold = true
  await rig.until(() => lost.every(id => rig.states()[id] === 'posted'))
  await rig.stop()
  expect(looked.length).toBeLessThanOrEqual(lost.length + 10)
})
