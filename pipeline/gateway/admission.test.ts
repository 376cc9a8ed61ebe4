// How much work callers may have in the gateway, and each one's share.

import { expect, test } from 'vitest'
import { Admission } from './admission.js'

const limits = { maxInFlightRequests: 4, maxInFlightBytes: 100, callerShare: 0.5 }

test('a caller holds no more than his share, and leaving gives all of it back', () => {
  const admission = new Admission(limits)
  const a = admission.enter('a')!
  expect(a.take(50)).toBe(true)
  expect(a.take(1)).toBe(false)
  expect(admission.enter('a')).toBeDefined()
  expect(admission.enter('a')).toBeUndefined()
  const b = admission.enter('b')!
  expect(b.take(50)).toBe(true)
  a.leave()
  a.leave()
  expect(a.take(1)).toBe(false)
  expect(admission.inFlight()).toEqual({ requests: 2, bytes: 50 })
  expect(admission.enter('a')!.take(50)).toBe(true)
})

test('all callers together hold no more than there is', () => {
  const admission = new Admission(limits)
  for (const caller of ['a', 'b']) expect(admission.enter(caller)!.take(50)).toBe(true)
  expect(admission.enter('c')!.take(1)).toBe(false)
  expect(admission.enter('d')).toBeDefined()
  expect(admission.enter('e')).toBeUndefined()
})

test('who is nobody in particular may hold everything', async () => {
  const admission = new Admission(limits)
  const seats = Array.from({ length: 4 }, () => admission.enter(undefined)!)
  expect(seats.map(seat => seat.take(25))).toEqual([true, true, true, true])
  for (const seat of seats) seat.leave()
  await admission.idle()
  expect(admission.inFlight()).toEqual({ requests: 0, bytes: 0 })
})
