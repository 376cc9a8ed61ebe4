// A delivery that stays unclear is settled by the word of a person who has looked at the receiver, and by nothing else.

import { expect, test } from 'vitest'
import { accepted, journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

/** A connection that has lost sight of one record. */
async function withLost(): Promise<LoopRig> {
  let isFirst = true
  const rig = new LoopRig({
    put: ({ id }) => {
      const outcome = id === 'lost' && isFirst ? unclear : accepted
      if (id === 'lost') isFirst = false
      return outcome
    },
    find: () => ({ kind: 'unknown_yet', code: 'no_answer', detail: '' }),
  })
  rig.start()
  await rig.takeIn(journalRecord('lost'), journalRecord('after', { after: 'lost' }))
  await rig.until(() => rig.states()['lost'] === 'unclear')
  return rig
}

const sendings = (rig: LoopRig, id: string) => rig.sent.filter(one => one.id === id).length

test('what a person found there is posted with its id and who said so, and what waits for it goes', async () => {
  const rig = await withLost()
  rig.settle('lost', { there: 'doc 7' })
  await rig.until(() => rig.states()['after'] === 'posted')
  await rig.stop()
  const settled = rig.newest('lost')!
  expect(settled).toMatchObject({ state: 'posted', external_id: 'doc 7', attempt_count: 2 })
  expect(settled.attempts.at(-1)).toMatchObject({
    outcome: 'found_there',
    code: 'settled_by_person',
    detail: 'ann: looked',
  })
  expect([sendings(rig, 'lost'), rig.asked.size]).toEqual([1, 0])
})

test('what a person did not find is sent again under the same key', async () => {
  const rig = await withLost()
  rig.settle('lost', 'absent')
  await rig.until(() => rig.states()['lost'] === 'posted')
  await rig.stop()
  expect(sendings(rig, 'lost')).toBe(2)
  expect(rig.newest('lost')).toMatchObject({ key: 'lost', external_id: 'x' })
})

test('a word about an earlier sending, or about what is known, changes nothing', async () => {
  const rig = await withLost()
  rig.settle('lost', 'absent', 0)
  await rig.until(() => rig.asked.size === 0)
  expect([rig.states()['lost'], sendings(rig, 'lost')]).toEqual(['unclear', 1])
  rig.settle('lost', { there: 'first' })
  await rig.until(() => rig.states()['lost'] === 'posted')
  await rig.until(() => rig.asked.size === 0)
  rig.settle('lost', 'absent')
  await rig.until(() => rig.asked.size === 0)
  await rig.stop()
  expect(rig.newest('lost')).toMatchObject({ state: 'posted', external_id: 'first' })
  expect(sendings(rig, 'lost')).toBe(1)
})

test('an exception made of an unclear one is settled too; one that the receiver refused is not', async () => {
  const rig = new LoopRig({
    put: ({ id }) => {
      if (id === 'bad') return { kind: 'refused', code: 'no', detail: 'no' }
      return id === 'lost' ? unclear : accepted
    },
    find: () => ({ kind: 'repeatable' }),
  })
  rig.start({ ownFailuresMost: 1 })
  await rig.takeIn(journalRecord('lost'), journalRecord('bad'))
  await rig.until(() => rig.shelf.size === 2 && rig.states()['lost'] === 'refused')
  const tried = sendings(rig, 'lost')
  rig.settle('bad', { there: 'doc 8' })
  rig.settle('lost', { there: 'doc 7' })
  await rig.until(() => rig.states()['lost'] === 'posted' && rig.asked.size === 0)
  await rig.stop()
  expect(rig.newest('lost')).toMatchObject({ external_id: 'doc 7' })
  expect([rig.states()['bad'], sendings(rig, 'bad'), sendings(rig, 'lost')]).toEqual(['refused', 1, tried])
})
