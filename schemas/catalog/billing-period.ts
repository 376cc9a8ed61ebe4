// Periods: `month`, or so many of a unit, as `{count: 3, unit: month}`. How they are read, written and described.
// Invariants: equal periods are equal texts, however they were written: 3 months are `quarter`, 12 months are `year`; a written
// period is read back equal. A week and 7 days have the same borders and are not equal: MRR counts 52 weeks a year, and 365 days.

import { z } from 'zod'
import { parseDecimal, scaledOne } from '../money/decimal.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'

const names = ['day', 'week', 'month', 'quarter', 'year'] as const
type PeriodName = (typeof names)[number]

/** The name where one period of a unit has one, else the count and the unit: `2 week`, `6 month`, `2 year`. */
export type BillingPeriod = PeriodName | `${number} ${'day' | 'week' | 'month' | 'year'}`

/** So many steps of a calendar: a quarter is 3 months, a year 12. */
export interface PeriodStep {
  readonly unit: 'day' | 'week' | 'month'
  readonly count: number
}

const stepsOf: Readonly<Record<PeriodName, PeriodStep>> = {
  day: { unit: 'day', count: 1 },
  week: { unit: 'week', count: 1 },
  month: { unit: 'month', count: 1 },
  quarter: { unit: 'month', count: 3 },
  year: { unit: 'month', count: 12 },
}

/** A hundred years of each unit. */
const mostOf: Readonly<Record<PeriodName, number>> = {
  day: 36_500,
  week: 5200,
  month: 1200,
  quarter: 400,
  year: 100,
}

export function billingPeriodOf(count: number, unit: PeriodName): BillingPeriod {
  const step = { ...stepsOf[unit] }
  const total = step.count * count
  if (step.unit !== 'month') return total === 1 ? step.unit : `${total} ${step.unit}`
  if (total === 3) return 'quarter'
  if (total % 12 !== 0) return total === 1 ? 'month' : `${total} month`
  return total === 12 ? 'year' : `${total / 12} year`
}

export function periodStep(period: BillingPeriod): PeriodStep {
  const { count, name } = partsOf(period)
  const { unit, count: each } = stepsOf[name]
  return { unit, count: count * each }
}

/** At least as many days as the longest of such periods has. */
export function longestDays(period: BillingPeriod): number {
  const { unit, count } = periodStep(period)
  if (unit === 'month') return Math.min(count * 31, Math.ceil(count / 12) * 366)
  return unit === 'week' ? count * 7 : count
}

interface HasPeriod {
  readonly billingPeriod?: BillingPeriod | undefined
  readonly prices?: readonly HasPeriod[]
}

/** Of the periods that plans and their prices, or prices, say of themselves. */
export function longestDaysOf(holders: Iterable<HasPeriod>): number {
  let most = 1
  for (const { billingPeriod, prices = [] } of holders)
    most = Math.max(most, billingPeriod === undefined ? 1 : longestDays(billingPeriod), longestDaysOf(prices))
  return most
}

/** For people: `quarter`, `2 weeks`. */
export function periodText(period: BillingPeriod): string {
  return period.includes(' ') ? `${period}s` : period
}

/** A name, or a mapping with `count` and `unit`. */
export function readBillingPeriod(
  reader: FieldReader,
  problems: Problems,
  field = 'billing_period',
): BillingPeriod | undefined {
  const node = reader.field(field)
  if (node === undefined) return undefined
  if (node.kind === 'map') {
    const parts = new FieldReader(asMap(node, `The field ${field}`, problems)!, problems)
    const unit = parts.requiredChoice('unit', names)
    const count = parts.requiredField('count') && parts.whole('count', 1, mostOf[unit ?? 'day'])
    parts.refuseOthers('a period')
    return count === undefined || unit === undefined ? undefined : billingPeriodOf(count, unit)
  }
  const found = names.find(name => node.kind === 'scalar' && node.value === name)
  if (found !== undefined) return found
  const message = `The field ${field} is one of ${names.join(', ')}, or so many of them, as { count: 3, unit: month }.`
  return reader.fault(field, 'invalid_value', message)
}

/** The value of an event's field; undefined where it is no period. */
export function billingPeriodOfValue(value: unknown): BillingPeriod | undefined {
  if (typeof value === 'string') return names.find(name => name === value)
  if (typeof value !== 'object' || value === null) return undefined
  const { count, unit: said, ...others } = value as { readonly count?: unknown; readonly unit?: unknown }
  const unit = names.find(name => name === said)
  const parsed = parseDecimal(typeof count === 'string' ? undefined : count)
  if (parsed.kind !== 'ok' || parsed.value % scaledOne !== 0n) return undefined
  const whole = Number(parsed.value / scaledOne)
  if (unit === undefined || whole < 1 || whole > mostOf[unit] || Object.keys(others).length > 0)
    return undefined
  return billingPeriodOf(whole, unit)
}

export function billingPeriodToWire(period: BillingPeriod): unknown {
  const { count, name } = partsOf(period)
  return period === name ? name : { count, unit: name }
}

export const billingPeriodField = z.union([
  z.enum(names),
  z.strictObject({ count: z.int().min(1).max(mostOf.day), unit: z.enum(names) }).meta({
    description: 'So many days, weeks, months, quarters or years, up to a hundred years.',
  }),
])

function partsOf(period: BillingPeriod): { readonly count: number; readonly name: PeriodName } {
  const [first, second] = period.split(' ') as [PeriodName | `${number}`, PeriodName?]
  return second === undefined
    ? { count: 1, name: first as PeriodName }
    : { count: Number(first), name: second }
}
