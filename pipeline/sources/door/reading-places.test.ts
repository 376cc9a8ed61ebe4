// Who gets a place at the door when all are taken.

import { expect, test } from 'vitest'
import { ReadingPlaces } from './reading-places.js'

test('one address with many slow bodies makes way at once; many addresses do after a second; what was read stays', () => {
  let nowMs = 0
  const places = new ReadingPlaces(3, () => nowMs)
  const of = (address: string) => places.take(address)
  const greedy = [of('2001:db8::1'), of('2001:db8::2'), of('2001:db8::3')]
  const vendor = of('198.51.100.7')
  expect([vendor !== undefined, greedy.map(one => one!.taken.aborted)]).toEqual([true, [true, false, false]])
  expect(greedy[0]!.taken.reason).toMatchObject({ code: 'too_many_arrivals', status: 429 })
  vendor!.isRead()
  // Of one network again, or a third while each has its part: nobody makes way before a second is over.
  expect([of('2001:db8::4'), of('203.0.113.9') !== undefined, of('::ffff:203.0.113.9')]).toEqual([
    undefined,
    true,
    undefined,
  ])
  nowMs = 1_000
  expect(of('::ffff:203.0.113.9')).toBeDefined()
  expect(greedy[2]!.taken.aborted).toBe(true)
  nowMs = 10_000
  expect([of('a'), of('b')].every(one => one !== undefined)).toBe(true)
  expect(vendor!.taken.aborted).toBe(false)
  vendor!.leave()
  nowMs += 1
  expect([of('c') !== undefined, of('d')]).toEqual([true, undefined])
})
