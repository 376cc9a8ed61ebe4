// The suite itself: a connector that obeys the port passes, and one that takes `unclear` for a no is caught.

import { describe, expect, test } from 'vitest'
import type { Connector } from '../connector.js'
import { conformanceOf, doubledBy } from './conformance.js'
import type { ConformanceSubject } from './conformance-rig.js'
import { LedgerFake } from './ledger-fake.js'

const ledger: ConformanceSubject = {
  name: 'a ledger without idempotency',
  start: async nowMs => new LedgerFake(nowMs),
  faults: [
    'timeout_before_commit',
    'timeout_after_commit',
    '429_without',
    '429_with_retry_after',
    'outage',
    'credentials_refused',
  ],
  refuses: true,
  outageHours: 48,
  restartStride: 1,
  recordOf: n => ({
    kind: 'journal',
    id: `je_${n}`,
    key: `je_${n}`,
    recordedAt: '2026-11-01T00:00:00Z',
    document: { n },
  }),
}

conformanceOf(ledger)

const takingNoAnswerForNo = (connector: Connector): Connector => ({
  ...connector,
  put: async (records, signal) =>
    (await connector.put(records, signal)).map(one =>
      one.kind === 'unclear' ? { ...one, kind: 'throttled' } : one,
    ),
})

const forgettingToSettle = (connector: Connector): Connector => ({ ...connector, settlesWithinMs: 0 })

describe('the suite catches', () => {
  test('a connector that takes a lost answer for a no', async () => {
    expect(await doubledBy({ ...ledger, disguise: takingNoAnswerForNo }, 'timeout_after_commit')).not.toEqual(
      [],
    )
  })

  test('a connector that believes `absent` while the receiver is still at work', async () => {
    expect(await doubledBy({ ...ledger, disguise: forgettingToSettle }, 'timeout_after_commit')).not.toEqual(
      [],
    )
  })

  test('and finds nothing in one that obeys', async () => {
    expect(await doubledBy(ledger, 'timeout_after_commit')).toEqual([])
  })
})
