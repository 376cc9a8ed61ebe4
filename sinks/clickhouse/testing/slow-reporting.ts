// Random movements and rates, and what they come to in a reporting currency, computed the slow and obvious way: each
// day by itself, from the definitions in migrations/0005_reporting_currency.sql.

import { Decimal } from 'decimal.js'
import fc from 'fast-check'

export const Exact = Decimal.clone({ precision: 120, rounding: Decimal.ROUND_HALF_UP })
export const kinds = [
  'new_business',
  'expansion',
  'contraction',
  'churn',
  'reactivation',
  'transfer',
] as const

export interface Movement {
  readonly movement_id: string
  readonly customer_id: string
  readonly currency: string
  readonly kind: (typeof kinds)[number]
  readonly amount: string
  readonly effective_at: string
}

export interface Rate {
  readonly base: string
  readonly quote: string
  readonly rate: string
  readonly effective_from: string
  readonly recorded_at: string
}

/** Few days, so that movements and rates meet on them. */
export const instant: fc.Arbitrary<string> = fc
  .record({
    day: fc.constantFrom(
      '2025-12-31',
      '2026-01-01',
      '2026-01-15',
      '2026-01-31',
      '2026-02-01',
      '2026-02-27',
      '2026-03-02',
    ),
    hour: fc.nat(23),
  })
  .map(({ day, hour }) => `${day}T${String(hour).padStart(2, '0')}:00:00.000Z`)
const currency = fc.constantFrom('USD', 'JPY', 'EUR')
const scaled = (min: bigint, max: bigint): fc.Arbitrary<string> =>
  fc.bigInt({ min, max }).map(n => new Exact(String(n)).div('1e12').toFixed(12))

export const movements: fc.Arbitrary<Movement[]> = fc.array(
  fc.record({
    movement_id: fc.uuid(),
    customer_id: fc.constantFrom('a', 'b'),
    currency,
    kind: fc.constantFrom(...kinds),
    amount: fc.oneof(scaled(-(10n ** 20n), 10n ** 20n), fc.constantFrom('5.000000000000', '-5.000000000000')),
    effective_at: instant,
  }),
  { minLength: 1, maxLength: 20 },
)

/** Some on one day, some at one instant, some in both directions of a pair. */
export const rates: fc.Arbitrary<Rate[]> = fc
  .array(
    fc.record({
      base: currency,
      quote: currency,
      rate: scaled(1n, 10n ** 15n),
      effective_from: instant,
    }),
    { maxLength: 10 },
  )
  .map(all =>
    all.map((one, n) => ({ ...one, recorded_at: new Date(Date.UTC(2026, 5, 1, 0, n)).toISOString() })),
  )

export type Source = 'same' | 'published' | 'inverse'

interface InForce {
  readonly source: Source
  readonly rate: string
}

/** `day` is `2026-01-31`; an effective_from of that day counts. */
export function rateOn(all: readonly Rate[], from: string, to: string, day: string): InForce | undefined {
  if (from === to) return { source: 'same', rate: '1' }
  const order = (one: Rate): string => `${one.effective_from} ${one.base === from ? 1 : 0} ${one.recorded_at}`
  const found = all
    .filter(one => (one.base === from && one.quote === to) || (one.base === to && one.quote === from))
    .filter(one => one.effective_from.slice(0, 10) <= day)
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
    .at(-1)
  return found && { source: found.base === from ? 'published' : 'inverse', rate: found.rate }
}

const exactly = (amount: Decimal, { source, rate }: InForce): Decimal =>
  source === 'inverse' ? amount.div(rate) : amount.times(rate)
export const convert = (amount: Decimal, rate: InForce): Decimal => exactly(amount, rate).toDecimalPlaces(12)

const dayOf = (one: Movement): string => one.effective_at.slice(0, 10)
const nextDay = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10)

export interface SlowMonth {
  readonly figures: Record<string, Decimal>
  /** The effect of each change of the rate, day by day, not rounded. */
  readonly fx: Decimal
  readonly movementsWithoutRate: number
  readonly source: string
}

/** By month (`2026-01-01`), of the movements in `from`, as told in `to`. */
export function slowMonths(
  all: readonly Movement[],
  known: readonly Rate[],
  from: string,
  to: string,
): Map<string, SlowMonth> {
  const months = new Map<string, SlowMonth>()
  const own = all.filter(one => one.currency === from)
  const first = own.map(dayOf).sort()[0]!
  const isRelevant = ({ base, quote }: Rate): boolean =>
    base !== quote && all.some(one => one.currency === base || one.currency === quote)
  const last = [...all.map(dayOf), ...known.filter(isRelevant).map(one => one.effective_from.slice(0, 10))]
    .sort()
    .at(-1)!
  let native = new Exact(0)
  let closing = new Exact(0)
  let before: InForce | undefined
  let month = startOf(closing)
  for (let day = `${first.slice(0, 7)}-01`; day.slice(0, 7) <= last.slice(0, 7); day = nextDay(day)) {
    const rate = rateOn(known, from, to, day)
    const add = (name: string, amount: Decimal): void => {
      month.figures[name] = month.figures[name]!.plus(amount)
    }
    if (rate !== undefined && before === undefined) add('first_rate', convert(native, rate))
    if (rate !== undefined && before !== undefined)
      month.fx = month.fx.plus(exactly(native, rate)).minus(exactly(native, before))
    before = rate
    for (const one of own.filter(m => dayOf(m) === day)) {
      native = native.plus(one.amount)
      if (rate === undefined) month.movementsWithoutRate++
      else add(one.kind, convert(new Exact(one.amount), rate))
    }
    if (nextDay(day).slice(0, 7) === day.slice(0, 7)) continue
    closing = rate === undefined ? new Exact(0) : convert(native, rate)
    const source = rate?.source ?? 'missing'
    const figures = { ...month.figures, closing, native_closing: native }
    months.set(`${day.slice(0, 7)}-01`, { ...month, figures, source })
    month = startOf(closing)
  }
  return months
}

function startOf(opening: Decimal): {
  figures: Record<string, Decimal>
  fx: Decimal
  movementsWithoutRate: number
} {
  const zeros = [...kinds, 'first_rate'].map(name => [name, new Exact(0)] as const)
  return { figures: { opening, ...Object.fromEntries(zeros) }, fx: new Exact(0), movementsWithoutRate: 0 }
}
