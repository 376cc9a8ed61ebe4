import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatInstant, maxInstantMs, parseInstant } from './time.js'

test.each([
  ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02t03:04:05z', Date.UTC(2026, 0, 2, 3, 4, 5)],
  ['2026-01-02T03:04:05.6Z', Date.UTC(2026, 0, 2, 3, 4, 5, 600)],
  ['2026-01-02T03:04:05.67Z', Date.UTC(2026, 0, 2, 3, 4, 5, 670)],
  ['2026-01-02T03:04:05.678999999Z', Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
  ['2026-01-02T03:04:05+05:30', Date.UTC(2026, 0, 1, 21, 34, 5)],
  ['2026-01-02T03:04:05.001-23:59', Date.UTC(2026, 0, 3, 3, 3, 5, 1)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
  ['1969-12-31T23:59:59.999Z', -1],
  ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ['9999-12-31T23:59:59.999Z', maxInstantMs],
])('%s is an instant', (text, instantMs) => {
  expect(parseInstant(text)).toBe(instantMs)
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

test('what is written is read back, and agrees with Date', () => {
  const instants = fc.integer({ min: Date.UTC(1, 0, 1) - 62_167_219_200_000, max: maxInstantMs })
  fc.assert(
    fc.property(instants, instantMs => {
      const text = new Date(instantMs).toISOString()
      if (/^\d{4}-/.test(text)) {
        expect(parseInstant(text)).toBe(instantMs)
        expect(parseInstant(formatInstant(instantMs))).toBe(instantMs)
      }
    }),
    { numRuns: 1000 },
  )
})

test('an instant beyond the years that RFC 3339 can write is written as the last or first of them', () => {
  expect(formatInstant(Date.UTC(10_000, 0, 15))).toBe('9999-12-31T23:59:59.999Z')
  expect(formatInstant(parseInstant('0000-01-01T00:00:00+12:00') as number)).toBe('0000-01-01T00:00:00Z')
})
