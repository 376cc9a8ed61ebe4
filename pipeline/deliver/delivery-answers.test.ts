// What of a receiver's answer is kept with a delivery.

import { expect, test } from 'vitest'
import { journalRecord, LoopRig, unclear } from './testing/loop-rig.js'

test('an id of megabytes with escapes in it is kept in its beginning, after a sending and after a look-up', async () => {
  const externalId = `42\u001b]0;${'x'.repeat(1 << 20)}`
  const rig = new LoopRig({
    put: ({ id }) => (id === 'sent' ? { kind: 'accepted', externalId } : unclear),
    find: () => ({ kind: 'there', externalId, state: 'posted' }),
  })
  rig.start()
  await rig.takeIn(journalRecord('sent'), journalRecord('found'))
  await rig.until(() => Object.values(rig.states()).every(state => state === 'posted'))
  await rig.stop()
  for (const id of ['sent', 'found']) {
    const kept = rig.newest(id)!.external_id!
    expect(kept).toHaveLength(500)
    expect(kept).toMatch(/^42 \]0;x/)
  }
})
