// How long the events that were read wait until they are committed.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { untilCommitMs } from './commit-interval.js'

const limits = { lingerMs: 200, settleMs: 10 }

test('an event that comes alone hardly waits', () => {
  expect(untilCommitMs(limits, 5_003, 4_000, 5_004)).toBe(9)
})

test('after a recent step events wait for the next interval, which is the same for every partition', () => {
  for (const processedAtMs of [4_990, 4_804, 5_010]) {
    expect(untilCommitMs(limits, 5_003, processedAtMs, 5_020)).toBe(180)
  }
})

test('what waited for an interval while the worker was busy is due at once', () => {
  expect(untilCommitMs(limits, 5_003, 5_001, 5_260)).toBeLessThanOrEqual(0)
})

test('nothing waits longer than the linger, and nothing there is never due', () => {
  const ms = fc.integer({ min: 0, max: 1_000 })
  fc.assert(
    fc.property(fc.constantFrom(0, 1, 7, 200), ms, ms, ms, (lingerMs, read, processed, later) => {
      const wait = untilCommitMs(
        { lingerMs, settleMs: 10 },
        9_000 + read,
        9_000 + processed,
        9_000 + read + later,
      )
      expect(wait).toBeLessThanOrEqual(lingerMs - later)
    }),
  )
  expect(untilCommitMs(limits, Number.POSITIVE_INFINITY, 5_000, 5_010)).toBe(Number.POSITIVE_INFINITY)
})
