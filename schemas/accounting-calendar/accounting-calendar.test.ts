// Periods: months by default, lists for 4-4-5 and odd years; what belongs to a closed one goes to the next open one.

import { expect, test } from 'vitest'
import {
  type ClosedPeriod,
  calendarOf,
  lastDayOverAt,
  monthsInUtc,
  nextCutAfter,
  periodNamed,
  placed,
} from './accounting-calendar.js'
import { parseCalendars } from './parse-calendars.js'

const text = `calendars:
  - entity_id: us
    timezone: America/New_York
    periods:
      - { period: FY26-P01, first: 2025-12-29, last: 2026-01-25 }
      - { period: FY26-P02, first: 2026-01-26, last: 2026-02-22 }
      - { period: FY26-P03, first: 2026-02-23, last: 2026-03-29 }
  - timezone: Europe/Berlin
`

test('a calendar is by entity, months for those that have none', () => {
  const parsed = parseCalendars(text, 'c.yaml')
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  const us = calendarOf(parsed.calendars, 'us')
  const de = calendarOf(parsed.calendars, 'de')
  expect(placed(us, [], '2026-01-26')).toEqual({
    accountingDate: '2026-01-26',
    accountingPeriod: 'FY26-P02',
  })
  expect(placed(us, [], '2026-03-30')).toBeUndefined()
  expect(de).toEqual({ timezone: 'Europe/Berlin', periods: 'months' })
  expect(periodNamed(de, '2028-02')).toEqual({ name: '2028-02', first: '2028-02-01', last: '2028-02-29' })
  expect([periodNamed(de, '2028-13'), periodNamed(us, '2026-01')]).toEqual([undefined, undefined])
})

const shut = (...names: string[]): ClosedPeriod[] =>
  names.map(period => ({ period, first: `${period}-01`, last: `${period}-28` }))

test('what belongs to a closed period goes to the first day of the next open one, and says from where', () => {
  const closed = (...names: string[]) => placed(monthsInUtc, shut(...names), '2026-01-31')
  expect(closed()).toEqual({ accountingDate: '2026-01-31', accountingPeriod: '2026-01' })
  const moved = { accountingDate: '2026-03-01', accountingPeriod: '2026-03', movedFrom: '2026-01-31' }
  expect(closed('2026-01', '2026-02')).toEqual(moved)
  const us = { timezone: 'UTC', periods: [{ name: 'P1', first: '2026-01-01', last: '2026-01-31' }] }
  expect(placed(us, [{ period: 'P1', first: '', last: '' }], '2026-01-31')).toBeUndefined()
})

test('what was closed stays closed when the calendar is changed: by its name, and by its days', () => {
  const closed = [{ period: 'P1', first: '2026-01-01', last: '2026-01-25' }]
  const named = (name: string) => ({
    timezone: 'UTC',
    periods: [{ name, first: '2026-01-01', last: '2026-02-28' }],
  })
  expect(placed(named('P1'), closed, '2026-01-28')).toBeUndefined()
  expect(placed(named('Q1'), closed, '2026-01-20')).toEqual({
    accountingDate: '2026-01-26',
    accountingPeriod: 'Q1',
    movedFrom: '2026-01-20',
  })
  expect(placed(named('Q1'), closed, '2026-01-28')?.movedFrom).toBeUndefined()
})

test('a schedule is cut where a month or a period begins, and where a list of periods begins and ends', () => {
  const periods = [
    { name: 'P1', first: '2026-01-10', last: '2026-02-06' },
    { name: 'P2', first: '2026-02-07', last: '2026-02-20' },
  ]
  const cuts: string[] = []
  for (let day = '2026-01-05'; day < '2026-05-01'; cuts.push(day))
    day = nextCutAfter({ timezone: 'UTC', periods }, day)
  expect(cuts).toEqual([
    ...['2026-01-10', '2026-02-01', '2026-02-07', '2026-02-21', '2026-03-01', '2026-04-01', '2026-05-01'],
  ])
  expect(nextCutAfter(monthsInUtc, '2028-02-29')).toBe('2028-03-01')
})

test('a day is over by the clock of the entity', () => {
  const at = (iso: string) => BigInt(Date.parse(iso)) * 1_000_000n
  expect(lastDayOverAt(monthsInUtc, at('2026-11-01T00:00:00Z'))).toBe('2026-10-31')
  const berlin = { ...monthsInUtc, timezone: 'Europe/Berlin' }
  expect(lastDayOverAt(berlin, at('2026-10-31T22:59:59Z'))).toBe('2026-10-30')
  expect(lastDayOverAt(berlin, at('2026-10-31T23:00:00Z'))).toBe('2026-10-31')
})

test('every fault of the file has its line and the nearest name', () => {
  const faulty = `calendars:
  - entity_id: us
    time_zone: UTC
    periods:
      - { period: P1, first: 2026-01-01, last: 2026-01-31 }
      - { period: P1, first: 2026-02-02, last: 2026-01-30 }
  - { timezone: Mars/Olympus, periods: weeks }
  - { entity_id: us }
`
  const parsed = parseCalendars(faulty, 'c.yaml')
  const found = parsed.kind === 'ok' ? [] : parsed.problems.map(({ line, code }) => `${line} ${code}`)
  expect(found).toEqual([
    '3 unknown_key',
    '6 duplicate',
    '6 gap',
    '6 invalid_value',
    '7 invalid_value',
    '7 wrong_type',
    '8 duplicate',
  ])
  expect(JSON.stringify(parsed)).toContain('the nearest known name is timezone')
})
