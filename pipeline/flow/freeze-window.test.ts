// When freeze windows are open, with a clock handed in, and what is wrong with one.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { windowAt } from './freeze-window.js'
import { type FreezeWindow, freezeWindowSchema, type MonthlyTime } from './window-shape.js'

const schema = freezeWindowSchema(z)

function monthly(from: MonthlyTime, until: MonthlyTime, time_zone = 'Europe/Berlin'): FreezeWindow {
  return schema.parse({ name: 'close', time_zone, every_month: { from, until } })
}

/** The bounds of the openings that somebody who looks every hour finds. */
function openings(window: FreezeWindow, from: string, until: string): string[] {
  const found: string[] = []
  let isOpen = false
  for (let ms = Date.parse(from); ms < Date.parse(until); ms += 3_600_000) {
    const now = windowAt(window, ms)
    expect(now.untilMs).toBeGreaterThan(ms)
    if (now.isOpen === isOpen) continue
    isOpen = now.isOpen
    found.push(new Date(ms).toISOString().slice(0, 16))
  }
  return found
}

test('month end in the entity’s time zone: the last day at 18:00 to the third at 09:00, over a change of the clock', () => {
  const close = monthly({ day: -1, at: '18:00' }, { day: 3, at: '09:00' })
  expect(openings(close, '2026-02-01T00:00:00Z', '2026-05-05T00:00:00Z')).toEqual([
    '2026-02-01T00:00', // open since January
    '2026-02-03T08:00',
    '2026-02-28T17:00',
    '2026-03-03T08:00',
    '2026-03-31T16:00', // the clock went forward on 29 March
    '2026-04-03T07:00',
    '2026-04-30T16:00',
    '2026-05-03T07:00',
  ])
})

test('a day that a month does not have is its last, and from the end its first', () => {
  const last = monthly({ day: 31, at: '00:00' }, { day: 31, at: '12:00' }, 'UTC')
  expect(openings(last, '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z')).toEqual([
    '2026-02-28T00:00',
    '2026-02-28T12:00',
  ])
  const first = monthly({ day: -31, at: '06:00' }, { day: 1, at: '07:00' }, 'UTC')
  expect(openings(first, '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z')).toEqual([
    '2026-02-01T06:00',
    '2026-02-01T07:00',
  ])
})

test('a window that is open for nearly a month is open on every day but the one it leaves out', () => {
  const long = monthly({ day: 2, at: '00:00' }, { day: 1, at: '00:00' }, 'UTC')
  expect(openings(long, '2026-01-01T00:00:00Z', '2026-03-03T00:00:00Z')).toEqual([
    '2026-01-02T00:00',
    '2026-02-01T00:00',
    '2026-02-02T00:00',
    '2026-03-01T00:00',
    '2026-03-02T00:00',
  ])
})

test('a window of two instants is open from the first up to the second, and never again', () => {
  const window = schema.parse({
    name: 'move',
    from: '2026-03-01T00:00:00+01:00',
    until: '2026-03-02T00:00:00Z',
  })
  const [fromMs, untilMs] = [Date.parse('2026-02-28T23:00:00Z'), Date.parse('2026-03-02T00:00:00Z')]
  expect(windowAt(window, fromMs - 1)).toEqual({ isOpen: false, untilMs: fromMs })
  expect(windowAt(window, fromMs)).toEqual({ isOpen: true, untilMs })
  expect(windowAt(window, untilMs)).toEqual({ isOpen: false, untilMs: Number.POSITIVE_INFINITY })
})

test('what is wrong with a window is told with its path', () => {
  const faults = (value: unknown) => schema.safeParse(value).error?.issues.map(({ path }) => path.join('.'))
  expect(faults({ name: 'x', from: '2026-01-02T00:00:00Z', until: '2026-01-01T00:00:00Z' })).toEqual([
    'until',
  ])
  expect(faults({ name: 'X y', from: 'tomorrow', until: '2026-01-01T00:00:00Z' })).toEqual(['name', 'from'])
  const half = { from: { day: 32 }, until: { day: 3, at: '9:00' } }
  expect(faults({ name: 'x', time_zone: 'Berlin', every_month: half })).toEqual([
    'every_month.from.day',
    'every_month.until.at',
  ])
  const never = { from: { day: 0 }, until: { day: 0 } }
  expect(faults({ name: 'x', time_zone: 'Berlin', every_month: never })).toEqual([
    'time_zone',
    'every_month.from.day',
    'every_month.until.day',
    'every_month.until',
  ])
  expect(faults({ name: 'x' })).toEqual(['from', 'until'])
})
