// What a connection tries and settles is counted, by outcome and code.

import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { accepted, journalRecord, LoopRig, unclear } from '../deliver/testing/loop-rig.js'
import { attemptMetrics } from './attempt-metrics.js'

test('sendings and look-ups are counted by outcome and code, and records by the state in which they are settled', async () => {
  const registry = new Registry()
  attemptMetrics(registry) // asked for before there is a connection
  let isFirst = true
  const rig = new LoopRig({
    put: ({ id }) => {
      if (id === 'refused') return { kind: 'refused', code: 'period_closed', detail: 'closed' }
      if (!isFirst || id !== 'lost') return accepted
      isFirst = false
      return unclear
    },
  })
  rig.telemetry = attemptMetrics(registry)('books')
  rig.start()
  await rig.takeIn(journalRecord('refused'), journalRecord('lost'), journalRecord('b'))
  await rig.until(() => rig.states()['lost'] === 'posted' && rig.states()['b'] === 'posted')
  await rig.stop()
  const text = await registry.metrics()
  const attempts = (outcome: string, code: string) =>
    `weir_connection_attempts_total{connection="books",outcome="${outcome}",code="${code}"}`
  expect(text).toContain(`${attempts('refused', 'period_closed')} 1`)
  expect(text).toContain(`${attempts('unclear', 'no_answer')} 1`)
  expect(text).toContain(`${attempts('found_absent', '')} 1`)
  expect(text).toContain(`${attempts('accepted', '')} 2`)
  expect(text).toContain('weir_connection_settled_total{connection="books",state="posted"} 2')
  expect(text).toContain('weir_connection_settled_total{connection="books",state="refused"} 1')
})
