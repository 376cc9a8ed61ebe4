// Tests service periods against calendars worked out by hand, and over the whole range of instants.

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BillingPeriod } from '../../schemas/catalog/catalog.js'
import { beginninglessNs, endlessNs, formatInstant, nsOf, rangeEndMs } from '../../schemas/time.js'
import { at } from '../testing/example-subscription.js'
import { isTimezone, ServiceCalendar, serviceCalendar } from './service-period.js'

interface Vector {
  readonly name: string
  readonly anchor: string
  readonly timezone: string
  readonly billing_period: BillingPeriod
  readonly first_index: number
  readonly boundaries: readonly string[]
}

const { vectors } = JSON.parse(readFileSync('rating/golden/service-periods.json', 'utf8')) as {
  vectors: readonly Vector[]
}

describe('golden calendars', () => {
  for (const vector of vectors) {
    it(vector.name, () => {
      const boundaries = vector.boundaries.map(at)
      const calendar = new ServiceCalendar(at(vector.anchor), vector.timezone, vector.billing_period)
      for (const [n, fromNs] of boundaries.slice(0, -1).entries()) {
        const period = { index: vector.first_index + n, fromNs, untilNs: boundaries[n + 1]! }
        expect(calendar.startOf(period.index)).toBe(fromNs)
        expect(calendar.periodAt(fromNs)).toEqual(period)
        expect(calendar.periodAt(period.untilNs - 1n)).toEqual(period)
        expect(calendar.periodAt((fromNs + period.untilNs) / 2n)).toEqual(period)
      }
    })
  }
})

describe('all of time', () => {
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia')
  const units = fc.constantFrom<BillingPeriod>('day', 'week', 'month', 'quarter', 'year')
  const instants = fc.bigInt({ min: at('1990-01-01'), max: at('2060-01-01') })

  it('every instant lies in one period, which is not empty and touches the next', () => {
    fc.assert(
      fc.property(instants, zones, units, fc.array(instants, { maxLength: 8 }), (anchor, zone, unit, all) => {
        const calendar = new ServiceCalendar(anchor, zone, unit)
        for (const ns of [anchor, ...all]) {
          const period = calendar.periodAt(ns)
          expect(period.fromNs <= ns && ns < period.untilNs).toBe(true)
          const next = calendar.periodAt(period.untilNs)
          expect(next.fromNs).toBe(period.untilNs)
          expect(next.index).toBeGreaterThan(period.index)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('the order of the questions does not matter', () => {
    fc.assert(
      fc.property(
        instants,
        zones,
        units,
        fc.array(instants, { maxLength: 20 }),
        (anchor, zone, unit, all) => {
          const calendar = new ServiceCalendar(anchor, zone, unit)
          for (const ns of all) {
            expect(calendar.periodAt(ns)).toEqual(new ServiceCalendar(anchor, zone, unit).periodAt(ns))
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it('a day that a zone skipped is an empty period, and is never returned', () => {
    const calendar = new ServiceCalendar(at('2011-12-29T00:00:00-10:00'), 'Pacific/Apia', 'day')
    expect(calendar.startOf(1)).toBe(calendar.startOf(2))
    expect(calendar.periodAt(at('2011-12-31T00:00:00+14:00'))).toEqual({
      index: 2,
      fromNs: at('2011-12-31T00:00:00+14:00'),
      untilNs: at('2012-01-01T00:00:00+14:00'),
    })
  })

  it('the first and the last instants that a message can name have a finite period', () => {
    for (const unit of ['day', 'week', 'month', 'quarter', 'year'] as const) {
      const calendar = new ServiceCalendar(at('2026-01-31'), 'America/New_York', unit)
      for (const ns of [0n, nsOf(rangeEndMs) - 1n]) {
        const { fromNs, untilNs } = calendar.periodAt(ns)
        expect(fromNs <= ns && ns < untilNs && untilNs < endlessNs).toBe(true)
      }
    }
  })

  it('a boundary beyond what a calendar holds is none', () => {
    const calendar = new ServiceCalendar(at('2026-01-31'), 'UTC', 'year')
    expect(calendar.startOf(Number.MAX_SAFE_INTEGER)).toBe(endlessNs)
    expect(calendar.startOf(-Number.MAX_SAFE_INTEGER)).toBe(beginninglessNs)
  })

  it('more periods than the cache holds are found again', () => {
    const calendar = new ServiceCalendar(at('2000-01-01'), 'UTC', 'day')
    for (let day = 0; day < 4200; day += 1) {
      expect(calendar.periodAt(at('2000-01-01') + nsOf(day * 86_400_000)).index).toBe(day)
    }
    expect(formatInstant(calendar.periodAt(at('2000-01-02')).fromNs)).toBe('2000-01-02T00:00:00Z')
  })
})

it('equal arguments share a calendar', () => {
  expect(serviceCalendar(0n, 'UTC', 'month')).toBe(serviceCalendar(0n, 'UTC', 'month'))
  expect(serviceCalendar(0n, 'UTC', 'month')).not.toBe(serviceCalendar(0n, 'UTC', 'year'))
})

it('a time zone is a name of the IANA database', () => {
  const names = ['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5', 'EST', 'Asia/Kolkata']
  expect(names.filter(name => !isTimezone(name))).toEqual([])
  const others = ['', '+01:00', 'Mars/Olympus', 'Europe/Berlin ', '2020-01-01T00:00[UTC]', 'GMT+1', '[UTC]']
  expect(others.filter(isTimezone)).toEqual([])
})
