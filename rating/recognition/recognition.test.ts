// When lines are booked and earned: local days, and schedules that add up over credits and rebills, month by month.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type EntityCalendar,
  monthsInUtc,
  periodOf,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { Charge } from '../../schemas/billing/charge.js'
import { formatScaled, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { msOf, nsOf } from '../../schemas/time.js'
import { runLines } from '../charges/run-lines.js'
import { recognise } from './recognise.js'
import { straightLine } from './straight-line.js'

const at = (text: string) => nsOf(Date.parse(text))
const money = (text: string): Scaled => {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(text)
  return parsed.value
}

const november: Charge = {
  chargeId: 'ch_1',
  customerId: 'c',
  subscriptionId: 's',
  subscriptionVersion: 1,
  entityId: '',
  contractId: '',
  correlationId: '',
  plan: 'p',
  planVersion: 1,
  price: 'base',
  meter: '',
  kind: 'recurring',
  timing: 'in_advance',
  fromNs: at('2026-11-01T00:00:00Z'),
  untilNs: at('2026-12-01T00:00:00Z'),
  timezone: 'UTC',
  quantity: scaledOne,
  amount: money('30'),
  amountRounded: money('30'),
  currency: 'USD',
  status: 'open',
}

describe('a line is booked on a day of the subscription', () => {
  const dateOf = (more: Partial<Charge>, cutoff = '2026-12-01T00:00:00Z') =>
    recognise({ ...november, ...more }, at(cutoff), monthsInUtc).accountingDate

  it('in advance on the first of its period, in arrears on the last', () => {
    expect(dateOf({})).toBe('2026-11-01')
    expect(dateOf({ timing: 'in_arrears' })).toBe('2026-11-30')
  })

  it('without length on the day of its instant, at once', () => {
    const instant = { kind: 'one_off', timing: 'in_arrears', untilNs: november.fromNs } as const
    expect(dateOf(instant)).toBe('2026-11-01')
    expect(dateOf({ ...instant, timezone: 'America/New_York' })).toBe('2026-10-31')
    expect(recognise({ ...november, ...instant }, 0n, monthsInUtc).schedule).toBeUndefined()
  })

  it('by the clock of its time zone', () => {
    const newYork = {
      fromNs: at('2026-11-01T04:00:00Z'),
      untilNs: at('2026-12-01T05:00:00Z'),
      timezone: 'America/New_York',
    }
    expect([dateOf(newYork), dateOf({ ...newYork, timing: 'in_arrears' })]).toEqual([
      '2026-11-01',
      '2026-11-30',
    ])
    const tokyo = {
      fromNs: at('2026-10-31T15:00:00Z'),
      untilNs: at('2026-11-30T15:00:00Z'),
      timezone: 'Asia/Tokyo',
    }
    expect([dateOf(tokyo), dateOf({ ...tokyo, timing: 'in_arrears' })]).toEqual(['2026-11-01', '2026-11-30'])
    const kolkata = { fromNs: at('2026-10-31T18:30:00Z'), timezone: 'Asia/Kolkata' }
    expect(dateOf(kolkata)).toBe('2026-11-01')
    expect(dateOf({ fromNs: at('2026-11-01T00:00:00Z'), timezone: 'Pacific/Honolulu' })).toBe('2026-10-31')
  })

  it('its service days are local too, both included, however short it is', () => {
    const daysOf = (more: Partial<Charge>) => recognise({ ...november, ...more }, 0n, monthsInUtc).serviceDays
    expect(daysOf({})).toEqual({ first: '2026-11-01', last: '2026-11-30' })
    expect(daysOf({ timezone: 'America/New_York' })).toEqual({ first: '2026-10-31', last: '2026-11-30' })
    expect(daysOf({ untilNs: november.fromNs })).toEqual({ first: '2026-11-01', last: '2026-11-01' })
  })

  it('an adjustment on the last day before the cutoff, or on its own where that is later', () => {
    const adjustment = { kind: 'adjustment', corrects: 'ch_1' } as const
    expect(dateOf(adjustment)).toBe('2026-11-30')
    expect(dateOf(adjustment, '2026-11-01T00:00:00Z')).toBe('2026-11-01')
    expect(dateOf({ ...adjustment, timing: 'in_arrears' }, '2026-12-15T12:00:00Z')).toBe('2026-12-15')
    expect(dateOf({ ...adjustment, timezone: 'America/New_York' })).toBe('2026-11-30')
    expect(dateOf({ ...adjustment, timezone: 'Asia/Tokyo' })).toBe('2026-12-01')
  })
})

describe('a schedule', () => {
  const told = (period: Parameters<typeof straightLine>[0], amount: string, units = 2) =>
    straightLine(period, money(amount), units, monthsInUtc).map(part => [
      new Date(msOf(part.fromNs)).toISOString().slice(0, 16),
      formatScaled(part.amount),
    ])

  it('is cut at months and adds up', () => {
    const period = {
      fromNs: at('2026-09-16T00:00:00Z'),
      untilNs: at('2026-11-01T00:00:00Z'),
      timezone: 'UTC',
    }
    expect(told(period, '100')).toEqual([
      ['2026-09-16T00:00', '32.61'],
      ['2026-10-01T00:00', '67.39'],
    ])
    expect(told(period, '-100')).toEqual([
      ['2026-09-16T00:00', '-32.61'],
      ['2026-10-01T00:00', '-67.39'],
    ])
    expect(told(period, '100', 0)).toEqual([
      ['2026-09-16T00:00', '33'],
      ['2026-10-01T00:00', '67'],
    ])
  })

  it('is cut where the local month ends', () => {
    const period = {
      fromNs: at('2026-10-16T04:00:00Z'),
      untilNs: at('2026-11-16T05:00:00Z'),
      timezone: 'America/New_York',
    }
    expect(told(period, '31')).toEqual([
      ['2026-10-16T04:00', '16'],
      ['2026-11-01T04:00', '15'],
    ])
    expect(told({ ...period, timezone: 'Asia/Tokyo' }, '31')[1]?.[0]).toBe('2026-10-31T15:00')
    expect(told({ ...period, timezone: 'Asia/Kolkata' }, '31')[1]?.[0]).toBe('2026-10-31T18:30')
    expect(told({ ...period, timezone: 'UTC' }, '31')[1]?.[0]).toBe('2026-11-01T00:00')
  })

  it('of a local month that is a whole calendar month has one part', () => {
    const month = {
      fromNs: at('2026-11-01T04:00:00Z'),
      untilNs: at('2026-12-01T05:00:00Z'),
      timezone: 'America/New_York',
    }
    expect(told(month, '30')).toHaveLength(1)
    expect(told({ ...month, timezone: 'UTC' }, '30')).toHaveLength(2)
  })
})

it('usage and what is billed in arrears has no schedule', () => {
  expect(
    recognise({ ...november, timing: 'in_arrears' }, november.untilNs, monthsInUtc).schedule,
  ).toBeUndefined()
})

const dayNs = nsOf(86_400_000)
const states = fc.array(
  fc.option(
    fc.record({
      days: fc.integer({ min: 1, max: 400 }),
      cents: fc.integer({ min: -99_999, max: 99_999 }),
      timezone: fc.constantFrom('UTC', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'),
      currency: fc.constantFrom('USD', 'USD', 'JPY'),
      timing: fc.constantFrom('in_advance', 'in_advance', 'in_arrears'),
    }),
  ),
  { minLength: 1, maxLength: 6 },
)

it('the schedules of all lines of a charge add up, month by month, to that of what stands billed', () => {
  fc.assert(
    fc.property(states, history => {
      const sums = new Map<string, Scaled>()
      let before: { billed: Charge | undefined } | undefined
      history.forEach((state, n) => {
        const { lines, billed } = runLines(
          { billingRunId: `r${n}` },
          before,
          state === null ? undefined : chargeIn(state),
        )
        if (lines.length > 0) before = { billed }
        for (const line of lines) addSchedule(sums, line)
      })
      const expected = new Map<string, Scaled>()
      if (before?.billed !== undefined) addSchedule(expected, before.billed)
      expect(withoutZeros(sums)).toEqual(withoutZeros(expected))
    }),
    { numRuns: Number(process.env['WEIR_RUNS'] ?? 100) },
  )
})

function chargeIn(state: {
  days: number
  cents: number
  timezone: string
  currency: string
  timing: string
}): Charge {
  const { days, cents, timezone, currency } = state
  const amount = (BigInt(cents) * scaledOne) / 100n
  const rounded = currency === 'JPY' ? (amount / scaledOne) * scaledOne : amount
  const timing = state.timing as Charge['timing']
  const untilNs = november.fromNs + BigInt(days) * dayNs
  return { ...november, untilNs, timezone, currency, timing, amount, amountRounded: rounded }
}

function addSchedule(sums: Map<string, Scaled>, line: Charge): void {
  for (const { fromNs, amount } of recognise(line, november.untilNs, monthsInUtc).schedule ?? []) {
    const month = new Intl.DateTimeFormat('en-CA', {
      timeZone: line.timezone,
      year: 'numeric',
      month: '2-digit',
    }).format(msOf(fromNs))
    const key = `${line.currency} ${month}`
    sums.set(key, (sums.get(key) ?? 0n) + amount)
  }
}

function withoutZeros(sums: ReadonlyMap<string, Scaled>): unknown[] {
  return [...sums].filter(([, sum]) => sum !== 0n).sort()
}

/** Periods of random length, one behind the other, which need not cover the whole schedule. */
const calendars = fc.record({
  begins: fc.integer({ min: -60, max: 60 }),
  lengths: fc.array(fc.integer({ min: 1, max: 45 }), { minLength: 0, maxLength: 20 }),
})

function calendarFrom({ begins, lengths }: { begins: number; lengths: readonly number[] }): EntityCalendar {
  const dayOf = (n: number) => new Date(msOf(november.fromNs) + n * 86_400_000).toISOString().slice(0, 10)
  let at = begins
  const periods = lengths.map((length, index) => {
    at += length
    return { name: `P${index + 1}`, first: dayOf(at - length), last: dayOf(at - 1) }
  })
  return { timezone: 'UTC', periods: periods.length === 0 ? 'months' : periods }
}

/** What is earned in each period, and in each month: half hour by half hour, looking at a clock. */
function slowly(
  { fromNs, untilNs, timezone }: Charge,
  cents: bigint,
  calendar: EntityCalendar,
): Map<string, bigint> {
  const clock = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
  const stepNs = nsOf(1_800_000)
  const days: string[] = []
  const beforeNs = nsOf(26 * 3_600_000)
  for (let atNs = fromNs - beforeNs; atNs < untilNs + beforeNs; atNs += stepNs)
    days.push(clock.format(msOf(atNs)))
  const lengths = new Map<string, bigint>()
  for (const day of days) lengths.set(day, (lengths.get(day) ?? 0n) + 1n)
  const ours = days.slice(Number(beforeNs / stepNs), days.length - Number(beforeNs / stepNs))
  const whole = 46n * 47n * 48n * 49n * 50n // half hours that a day may have
  const total = ours.reduce((sum, day) => sum + whole / lengths.get(day)!, 0n)
  const earned = new Map<string, bigint>()
  let [elapsed, before] = [0n, 0n]
  for (const [index, day] of ours.entries()) {
    elapsed += whole / lengths.get(day)!
    if (ours[index + 1] === day) continue
    const magnitude = (cents < 0n ? -cents : cents) * elapsed
    const by = ((2n * magnitude + total) / (2n * total)) * (cents < 0n ? -1n : 1n)
    const key = calendar.periods === 'months' ? '' : (periodOf(calendar, day)?.name ?? '')
    const name = key === '' ? day.slice(0, 7) : key
    earned.set(name, (earned.get(name) ?? 0n) + by - before)
    before = by
  }
  return earned
}

it('what is earned in a period of any calendar is what a clock says, day by day, and comes to the whole', () => {
  const period = fc.record({
    after: fc.nat(48 * 200),
    halfHours: fc.integer({ min: 1, max: 48 * 120 }),
    timezone: fc.constantFrom(
      'UTC',
      'America/New_York',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'Pacific/Auckland',
    ),
    cents: fc.bigInt({ min: -99_999n, max: 99_999n }),
  })
  fc.assert(
    fc.property(period, calendars, ({ after, halfHours, timezone, cents }, listed) => {
      const calendar = calendarFrom(listed)
      const fromNs = november.fromNs + BigInt(after) * nsOf(1_800_000)
      const untilNs = fromNs + BigInt(halfHours) * nsOf(1_800_000)
      const amountRounded = (cents * scaledOne) / 100n
      const line = { ...november, fromNs, untilNs, timezone, amountRounded }
      const { schedule = [] } = recognise(line, 0n, calendar)
      const sums = new Map<string, bigint>()
      for (const { month, accountingPeriod, amount } of schedule) {
        const name = accountingPeriod ?? month.slice(0, 7)
        sums.set(name, (sums.get(name) ?? 0n) + (amount * 100n) / scaledOne)
      }
      expect(withoutZeros(sums)).toEqual(withoutZeros(slowly(line, cents, calendar)))
      expect(schedule.reduce((sum, part) => sum + part.amount, 0n)).toBe(amountRounded)
      expect(schedule[0]?.fromNs).toBe(fromNs)
      for (const [index, part] of schedule.entries())
        expect(part.untilNs).toBe(schedule[index + 1]?.fromNs ?? untilNs)
    }),
    { numRuns: Number(process.env['WEIR_RUNS'] ?? 60) },
  )
})

it('of a 4-4-5 quarter each period has its 28, 28 and 35 days, whatever the months', () => {
  const fiscal = calendarFrom({ begins: 0, lengths: [28, 28, 35] })
  const line = { ...november, untilNs: november.fromNs + 91n * dayNs, amountRounded: money('91') }
  const { schedule = [] } = recognise(line, 0n, fiscal)
  expect(
    schedule.map(({ month, accountingPeriod, amount }) => [month, accountingPeriod, formatScaled(amount)]),
  ).toEqual([
    ['2026-11-01', 'P1', '28'],
    ['2026-11-01', 'P2', '2'],
    ['2026-12-01', 'P2', '26'],
    ['2026-12-01', 'P3', '5'],
    ['2027-01-01', 'P3', '30'],
  ])
})
