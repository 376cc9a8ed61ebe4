// What one more event costs on a charge that has seen few events, and on one that has seen many: adding it, and telling
// what is owed now. A ratio far above 1 is an aggregation that slows down with its charge. In order of time, as events
// mostly come, and each at a random earlier instant, as late ones do.
// The charges with few events are as many as it takes to time as many events.

import { addSample, type ChargeBasis, newAccumulator, type UsageSample } from '../../rating/accumulator.js'
import { CatalogIndex } from '../../rating/catalog-index.js'
import { chargeOf } from '../../rating/rate.js'
import type { Aggregation } from '../../schemas/catalog.js'
import { parseCatalogValue } from '../../schemas/catalog-parser.js'
import { scaledOne } from '../../schemas/decimal.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { rounded } from '../report.js'
import { Random } from '../workload/random.js'
import { threadCpuNs } from './stage-clock.js'

export interface AggregationFigure {
  readonly aggregation: Aggregation
  readonly arrival: 'in order' | 'late'
  readonly few: number
  /** On the processor where the kernel tells, else on the clock. */
  readonly ns_per_event_after_few: number
  readonly many: number
  readonly ns_per_event_after_many: number
  readonly ratio: number
}

export interface AggregationSizes {
  readonly few: number
  readonly many: number
  /** Timed on each side, at most; fewer when they take too long. */
  readonly events: number
}

export const shippedSizes: AggregationSizes = { few: 1_000, many: 1_000_000, events: 50_000 }

const aggregations: readonly Aggregation[] = [
  'count',
  'sum',
  'max',
  'min',
  'latest',
  'unique_count',
  'weighted_sum',
  'time_average',
  'percentile',
]
const fromMs = Date.UTC(2026, 0, 1)
const untilMs = Date.UTC(2026, 1, 1)
/** Of the timed events one charge with few events gets so many, which is little beside what it has seen. */
const perSmallCharge = 200
/** Timing stops at the first look at the clock after so long. */
const longestMs = 2_000
const looksEvery = 100

export function aggregationFigures(seed: number, sizes: AggregationSizes): AggregationFigure[] {
  return aggregations.flatMap(aggregation =>
    (['in order', 'late'] as const).map(arrival => {
      const random = new Random(seed)
      const basis = basisOf(aggregation)
      const afterFew = smallCharges(basis, arrival, sizes, random)
      const afterMany = nsPerEvent(basis, arrival, sizes.many, sizes.events, random)
      return {
        aggregation,
        arrival,
        few: sizes.few,
        ns_per_event_after_few: rounded(afterFew, 1),
        many: sizes.many,
        ns_per_event_after_many: rounded(afterMany, 1),
        ratio: rounded(afterMany / afterFew, 2),
      }
    }),
  )
}

function smallCharges(
  basis: ChargeBasis,
  arrival: AggregationFigure['arrival'],
  sizes: AggregationSizes,
  random: Random,
): number {
  // The first ones warm the code up.
  const charges = Math.max(2, Math.ceil(sizes.events / perSmallCharge))
  for (let warm = 0; warm < charges; warm += 1) nsPerEvent(basis, arrival, sizes.few, perSmallCharge, random)
  const each = Array.from({ length: charges }, () => grown(basis, sizes.few, perSmallCharge, arrival, random))
  const spent = timed(() => {
    for (const { accumulator, samples } of each) rateAll(basis, accumulator, samples)
    return charges * perSmallCharge
  })
  return spent
}

/** Of `events` more on a charge that has seen `before`. */
function nsPerEvent(
  basis: ChargeBasis,
  arrival: AggregationFigure['arrival'],
  before: number,
  events: number,
  random: Random,
): number {
  const { accumulator, samples } = grown(basis, before, events, arrival, random)
  return timed(() => rateAll(basis, accumulator, samples))
}

function grown(
  basis: ChargeBasis,
  before: number,
  events: number,
  arrival: AggregationFigure['arrival'],
  random: Random,
) {
  const accumulator = newAccumulator(basis)
  const stepMs = (untilMs - fromMs) / (before + events + 1)
  for (let i = 0; i < before; i += 1) addSample(basis, accumulator, sampleAt(i, fromMs + i * stepMs, random))
  const samples = Array.from({ length: events }, (_, i) => {
    const place = arrival === 'late' ? random.next() * before : before + i
    return sampleAt(before + i, fromMs + place * stepMs, random)
  })
  return { accumulator, samples }
}

/** How many were rated before the time was up. */
function rateAll(
  basis: ChargeBasis,
  accumulator: ReturnType<typeof newAccumulator>,
  samples: readonly UsageSample[],
): number {
  const deadline = performance.now() + longestMs
  for (let i = 0; i < samples.length; i += 1) {
    addSample(basis, accumulator, samples[i]!)
    chargeOf(basis, accumulator)
    if (i % looksEvery === looksEvery - 1 && performance.now() > deadline) return i + 1
  }
  return samples.length
}

function timed(work: () => number): number {
  const cpuBeforeNs = threadCpuNs()
  const startedAt = performance.now()
  const events = work()
  const clockNs = (performance.now() - startedAt) * 1e6
  const cpuNs = threadCpuNs() - cpuBeforeNs
  return (cpuNs > 0 ? cpuNs : clockNs) / events
}

/** Values and texts of which about half were not seen before. */
function sampleAt(index: number, timeMs: number, random: Random): UsageSample {
  const value = Math.floor(random.next() * 1e6)
  return {
    timeMs: Math.floor(timeMs),
    quantity: BigInt(value) * scaledOne,
    text: `user-${Math.floor(random.next() * (index + 1))}`,
    key: compositeKey('/gw/eu', `req-${index}`),
    cell: 0,
  }
}

function basisOf(aggregation: Aggregation): ChargeBasis {
  const parsed = parseCatalogValue({
    meters: [
      {
        meter: 'm',
        event_type: 't',
        aggregation,
        ...(aggregation === 'count' ? {} : { value: 'v' }),
        ...(aggregation === 'percentile' ? { percentile: 95 } : {}),
      },
    ],
    plans: [
      {
        plan: 'p',
        version: 1,
        currency: 'USD',
        billing_period: 'month',
        prices: [{ price: 'p', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '0.01' }],
      },
    ],
  })
  if (parsed.kind === 'invalid') throw new Error(parsed.problems.map(problem => problem.message).join('\n'))
  const price = parsed.catalog.plans[0]?.prices[0]
  const meter = new CatalogIndex(parsed.catalog).meter('m')
  if (price?.kind !== 'usage' || meter === undefined) throw new Error('the catalog lacks its price')
  const whole = { fromMs, untilMs }
  return { price, meter, fraction: { numerator: 1n, denominator: 1n }, trial: false, ...whole, period: whole }
}
