// Which times are taken for those that OpenMeter's SDK stamped.

import { expect, test } from 'vitest'
import { stampedTimeName } from '../../schemas/event/stamped-time.js'
import { markStampedTimes } from './openmeter-time.js'

const arrivalMs = Date.UTC(2026, 10, 27, 10, 0, 0, 5)
const at = (ms: number) => new Date(arrivalMs + ms).toISOString()
const rest = { id: '1', source: 's', specversion: '1.0', type: 't', subject: 'c' }

test.each<[boolean, string, unknown]>([
  [true, 'the last member, now', { ...rest, time: at(0) }],
  [true, 'stamped five minutes before it arrived', { ...rest, time: at(-300_000) }],
  [true, 'stamped by a clock that is five minutes ahead', { ...rest, time: at(300_000) }],
  [false, 'older than that', { ...rest, time: at(-300_001) }],
  [false, 'further ahead than that', { ...rest, time: at(300_001) }],
  [false, 'before another member', { time: at(0), ...rest }],
  [false, 'without milliseconds', { ...rest, time: at(0).replace('.005', '') }],
  [false, 'with another offset', { ...rest, time: at(0).replace('Z', '+00:00') }],
  [false, 'no instant', { ...rest, time: 'now' }],
  [false, 'no text', { ...rest, time: arrivalMs }],
  [false, 'no time', rest],
  [false, 'no event', [at(0)]],
])('%s: %s', (isMarked, _, value) => {
  const [marked] = markStampedTimes([{ kind: 'ok', value }], arrivalMs)
  const expected = isMarked ? { ...(value as object), [stampedTimeName]: true } : value
  expect(marked).toEqual({ kind: 'ok', value: expected })
})
