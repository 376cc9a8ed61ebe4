// Instants to the nanosecond, leap seconds included.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leapSecondEnds } from './leap-seconds.js'
import {
  compareInstants,
  endlessNs,
  formatInstant,
  instantFault,
  instantKey,
  msOf,
  nanosOf,
  nsOf,
  parseBoundary,
  parseEnd,
  parseInstant,
  rangeEndMs,
} from './time.js'

const at = (...parts: Parameters<typeof Date.UTC>) => nsOf(Date.UTC(...parts))

test.each([
  ['2026-01-02T03:04:05Z', at(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02t03:04:05z', at(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02T03:04:05.6Z', at(2026, 0, 2, 3, 4, 5, 600)],
  ['2026-01-02T03:04:05.67Z', at(2026, 0, 2, 3, 4, 5, 670)],
  ['2026-01-02T03:04:05.6789Z', at(2026, 0, 2, 3, 4, 5, 678) + 900_000n],
  ['2026-01-02T03:04:05.678999999Z', at(2026, 0, 2, 3, 4, 5, 678) + 999_999n],
  ['2026-01-02T03:04:05.000000001Z', at(2026, 0, 2, 3, 4, 5) + 1n],
  ['2026-01-02T03:04:05+05:30', at(2026, 0, 1, 21, 34, 5)],
  ['2026-01-02T03:04:05.001-23:59', at(2026, 0, 3, 3, 3, 5, 1)],
  ['2024-02-29T00:00:00Z', at(2024, 1, 29)],
  ['2000-02-29T00:00:00Z', at(2000, 1, 29)],
  ['1970-01-01T00:00:00Z', 0n],
  ['1969-12-31T23:00:00-01:00', 0n],
  ['2199-12-31T23:59:59.999999999Z', at(2200, 0, 1) - 1n],
  ['2200-01-01T00:59:59.999999999+01:00', at(2200, 0, 1) - 1n],
])('%s is an instant', (text, instantNs) => {
  expect(parseInstant(text)).toBe(instantNs)
  expect(parseEnd(text)).toBe(instantNs)
})

test.each([
  ['1969-12-31T23:59:59.999999999Z', undefined],
  ['1970-01-01T00:00:00Z', 0n],
  ['2200-12-31T23:59:59.999999999Z', at(2201, 0, 1) - 1n],
  ['2201-01-01T11:00:00Z', at(2201, 0, 1, 11)],
  ['2201-01-03T00:00:00Z', undefined],
  ['2200-01-01', undefined],
])('%s as a boundary of a period is %s', (text, boundary) => {
  expect(parseBoundary(text)).toBe(boundary)
})

test.each([
  ['0001-01-01T00:00:00Z', undefined],
  ['1969-12-31T23:59:59.999999999Z', undefined],
  ['1970-01-01T00:00:00+00:01', undefined],
  ['2200-01-01T00:00:00Z', endlessNs],
  ['2199-12-31T23:59:59-00:01', endlessNs],
  ['9999-12-31T23:59:59Z', endlessNs],
])('%s is outside of what is accepted, and as an end %s', (text, end) => {
  expect(parseInstant(text)).toBeUndefined()
  expect(instantFault(text)).toBe('time_out_of_range')
  expect(parseEnd(text)).toBe(end)
})

test.each([
  '2016-12-31T23:59:60Z',
  '2016-12-31T23:59:60.999999999Z',
  '2017-01-01T00:59:60.5+01:00',
  '2016-12-31T18:29:60-05:30',
])('%s, a leap second, is the last nanosecond of 2016', text => {
  const leap = parseInstant(text)!
  expect(leap).toBe(at(2017, 0, 1) - 1n)
  expect(leap > parseInstant('2016-12-31T23:59:59.999999998Z')!).toBe(true)
  expect(leap < parseInstant('2017-01-01T00:00:00Z')!).toBe(true)
})

test('there were 27 leap seconds, each at the end of June or December', () => {
  expect(leapSecondEnds.size).toBe(27)
  for (const endMs of leapSecondEnds) {
    const last = new Date(endMs - 1).toISOString()
    expect(last).toMatch(/-(06-30|12-31)T23:59:59\.999Z$/)
    expect(parseInstant(`${last.slice(0, 17)}60Z`)).toBe(nsOf(endMs) - 1n)
  }
})

test.each([
  '2016-12-31T22:59:60Z',
  '2016-12-31T23:58:60Z',
  '2016-12-31T23:59:60+01:00',
  '2017-12-31T23:59:60Z',
  '2026-06-30T23:59:60Z',
  '2016-12-31T23:59:61Z',
  '2026-01-02T03:04:05.1234567890Z',
])('%s, where UTC had no such second or too many digits, is no instant', text => {
  expect(parseInstant(text)).toBeUndefined()
  expect(instantFault(text)).toBe('invalid_time')
})

test.each([
  '',
  '2026-01-02',
  '2026-01-02T03:04:05',
  '2026-01-02T03:04Z',
  '2026-01-02 03:04:05Z',
  '2026-01-02T03:04:05.Z',
  '2026-01-02T03:04:05,5Z',
  '2026-01-02T03:04:05+0530',
  '2026-01-02T03:04:05+24:00',
  '2026-01-02T03:04:05Z ',
  ' 2026-01-02T03:04:05Z',
  '2026-13-02T03:04:05Z',
  '2026-00-02T03:04:05Z',
  '2026-02-29T03:04:05Z',
  '1900-02-29T03:04:05Z',
  '2026-04-31T03:04:05Z',
  '2026-01-00T03:04:05Z',
  '2026-01-02T24:00:00Z',
  '2026-01-02T03:60:05Z',
  '2026-01-02T03:04:61Z',
  '+2026-01-02T03:04:05Z',
  '12026-01-02T03:04:05Z',
  '2026/01/02T03:04:05Z',
  '2026-01-02T03.04.05Z',
  '２０26-01-02T03:04:05Z',
  `2026-01-02T03:04:05.${'1'.repeat(100)}Z`,
])('%j is not an instant', text => {
  expect(parseInstant(text)).toBeUndefined()
})

test('what is written is read back to the nanosecond, agrees with Date, and orders as the number does', () => {
  const instants = fc.bigInt({ min: 0n, max: nsOf(rangeEndMs) - 1n })
  fc.assert(
    fc.property(instants, fc.bigInt({ min: -2_000_000n, max: 2_000_000n }), (one, off) => {
      expect(parseInstant(formatInstant(one))).toBe(one)
      expect(nsOf(msOf(one), nanosOf(one))).toBe(one)
      const text = formatInstant(one)
      expect(Date.parse(text)).toBe(msOf(one))
      const other = one + off < 0n ? 0n : one + off
      expect(instantKey(one) === instantKey(other)).toBe(one === other)
      expect(compareInstants(one, other)).toBe(one < other ? -1 : one > other ? 1 : 0)
    }),
    { numRuns: 1000 },
  )
})

test.each([
  ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
  ['2026-01-02T03:04:05.600Z', '2026-01-02T03:04:05.6Z'],
  ['2026-01-02T03:04:05.600100Z', '2026-01-02T03:04:05.6001Z'],
  ['2026-01-02T03:04:05.000000001Z', '2026-01-02T03:04:05.000000001Z'],
])('%s is how %s is written', (written, text) => {
  expect(formatInstant(parseInstant(text)!)).toBe(written)
})
