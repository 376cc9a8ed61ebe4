// A journal of ten thousand lines that its receiver refuses is set aside, and goes once that is mended, as it was.

import { expect, test } from 'vitest'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { accepted, journalRecord, LoopRig } from './testing/loop-rig.js'

test('a journal of 10,000 lines that is refused takes less room set aside than it had, and goes as it was', async () => {
  const lines = Array.from({ length: 10_000 }, (_, n) => ({
    account: `${1_000 + (n % 7)}`,
    debit: `${n}.25`,
  }))
  const large = journalRecord('large', { document: { charge_id: 'ch_1', customer_id: 'acme', lines } })
  const put: ConnectorRecord[] = []
  let isMended = false
  const rig = new LoopRig({
    put: record => {
      put.push(record)
      return isMended ? accepted : { kind: 'refused', code: 'period_closed', detail: 'closed' }
    },
  })
  rig.start()
  await rig.takeIn(large)
  await rig.until(() => rig.states()['large'] === 'refused')
  const [aside] = rig.shelf.values()
  expect(JSON.stringify(aside).length).toBeLessThan(JSON.stringify(large).length)
  isMended = true
  rig.ask('retry', 'large')
  await rig.until(() => rig.states()['large'] === 'posted')
  await rig.stop()
  expect(put.map(({ document }) => document)).toEqual([large.document, large.document])
})
