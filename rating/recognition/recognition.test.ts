// When lines are booked and earned: local days, and schedules that add up over credits and rebills, month by month.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
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
    recognise({ ...november, ...more }, at(cutoff)).accountingDate

  it('in advance on the first of its period, in arrears on the last', () => {
    expect(dateOf({})).toBe('2026-11-01')
    expect(dateOf({ timing: 'in_arrears' })).toBe('2026-11-30')
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
    const daysOf = (more: Partial<Charge>) => recognise({ ...november, ...more }, 0n).serviceDays
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
    straightLine(period, money(amount), units).map(part => [
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
      ['2026-10-16T04:00', '15.98'],
      ['2026-11-01T04:00', '15.02'],
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
  expect(recognise({ ...november, timing: 'in_arrears' }, november.untilNs).schedule).toBeUndefined()
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
    { numRuns: 150 },
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
  for (const { fromNs, amount } of recognise(line, november.untilNs).schedule ?? []) {
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
