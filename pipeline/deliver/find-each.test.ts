// Look-ups keep no new record back, and do not wait for one another.

import { expect, test } from 'vitest'
import type { FindOutcome } from '../../sinks/connector.js'
import { accepted, journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

const stillWritten: FindOutcome = { kind: 'there', externalId: 'x', state: 'written' }

test('records that nobody posts at the receiver keep no new ones back, though their look-ups never end', async () => {
  const rig = new LoopRig({
    put: () => ({ kind: 'written', externalId: 'x' }),
    find: () => {
      rig.nowMs += 1_000 // so long that the first are due again before the last have been looked up
      return stillWritten
    },
  })
  rig.start({ writtenMs: 5_000 })
  await rig.takeIn(...Array.from({ length: 20 }, (_, n) => journalRecord(`w${n}`)))
  await rig.until(() => Object.values(rig.states()).every(state => state === 'written'))
  const begunMs = rig.nowMs
  await rig.until(() => rig.nowMs > begunMs + 60_000)
  await rig.takeIn(journalRecord('new'))
  await rig.until(() => rig.states()['new'] === 'written')
  await rig.stop()
})

test('a page whose answer was lost is looked up several records at a time', async () => {
  let [isLost, underWay, most] = [true, 0, 0]
  const rig = new LoopRig({
    put: () => (isLost ? unclear : accepted),
    find: async () => {
      isLost = false
      underWay += 1
      most = Math.max(most, underWay)
      await new Promise(resolve => setImmediate(resolve))
      underWay -= 1
      return { kind: 'there', externalId: 'x', state: 'posted' }
    },
  })
  rig.pageSize = 50
  rig.start()
  await rig.takeIn(...Array.from({ length: 50 }, (_, n) => journalRecord(`r${n}`)))
  await rig.until(() => Object.values(rig.states()).every(state => state === 'posted'))
  await rig.stop()
  expect(most).toBe(8)
  expect(rig.sent).toHaveLength(50)
})
