// Measures the cost of one more event on a charge with few events and on one with many: adding the event and
// computing the amount owed. A ratio far above 1 means that the aggregation slows down as its charge grows.
// Events come in order of time, as is usual, or each at a random earlier instant, like late events. Short
// groups of events are timed, so that other work on the machine disturbs few of them; the median counts.

import {
  type Accumulator,
  addSample,
  type ChargeBasis,
  newAccumulator,
  type UsageSample,
} from '../../rating/charges/accumulator.js'
import { chargeOf } from '../../rating/charges/rate.js'
import { raterOf } from '../../rating/charges/rater.js'
import { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import { type Aggregation, aggregations } from '../../schemas/catalog/aggregations.js'
import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { scaledOne } from '../../schemas/money/decimal.js'
import { nsOf, nsPerMs } from '../../schemas/time.js'
import { median, rounded } from '../measure/report.js'
import { Random } from '../workload/random.js'

export interface AggregationFigure {
  readonly aggregation: Aggregation
  readonly arrival: 'in order' | 'late'
  readonly few: number
  readonly ns_per_event_after_few: number
  readonly many: number
  readonly ns_per_event_after_many: number
  readonly ratio: number
}

export interface AggregationSizes {
  readonly few: number
  readonly many: number
  /** Timed on each side; fewer when they take too long. */
  readonly events: number
  /** Of events timed together. A charge with few events gets no more than one chunk, so that it stays one. */
  readonly chunk: number
}

export const shippedSizes: AggregationSizes = { few: 1_000, many: 1_000_000, events: 50_000, chunk: 500 }

const fromNs = nsOf(Date.UTC(2026, 0, 1))
const untilNs = nsOf(Date.UTC(2026, 1, 1))
/** No further chunk is begun after so long. */
const longestMs = 3_000

export function aggregationFigures(seed: number, sizes: AggregationSizes): AggregationFigure[] {
  return aggregations.flatMap(aggregation =>
    (['in order', 'late'] as const).map(arrival => {
      const basis = basisOf(aggregation)
      const run = { basis, arrival, chunk: sizes.chunk, random: new Random(seed) }
      const chunks = Math.ceil(sizes.events / sizes.chunk)
      afterFewEvents(run, sizes.few, chunks) // warms the code up
      const afterFew = afterFewEvents(run, sizes.few, chunks)
      const afterMany = nsPerEvent(run, grown(run, sizes.many), chunks)
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

interface Run {
  readonly basis: ChargeBasis
  readonly arrival: AggregationFigure['arrival']
  readonly chunk: number
  readonly random: Random
}

interface Grown {
  readonly accumulator: Accumulator
  events: number
}

/** A charge that has seen so many events, in order. */
function grown({ basis, random }: Run, events: number): Grown {
  const accumulator = newAccumulator(basis)
  for (let i = 0; i < events; i += 1) addSample(basis, accumulator, sampleAt(i, i, random))
  return { accumulator, events }
}

function afterFewEvents(run: Run, few: number, charges: number): number {
  return median(Array.from({ length: charges }, () => nsPerEvent(run, grown(run, few), 1)))
}

function nsPerEvent(run: Run, charge: Grown, chunks: number): number {
  const deadline = performance.now() + longestMs
  const spent = [timeChunk(run, charge)]
  while (spent.length < chunks && performance.now() < deadline) spent.push(timeChunk(run, charge))
  return median(spent)
}

function timeChunk({ basis, arrival, chunk, random }: Run, charge: Grown): number {
  const { accumulator } = charge
  const samples = Array.from({ length: chunk }, () => {
    const index = charge.events++
    return sampleAt(index, arrival === 'late' ? random.next() * index : index, random)
  })
  const startedAt = performance.now()
  for (let i = 0; i < chunk; i += 1) {
    const rater = raterOf(basis)
    addSample(basis, accumulator, samples[i]!, rater)
    chargeOf(basis, accumulator, rater)
  }
  return ((performance.now() - startedAt) * 1e6) / chunk
}

/** A random value, and a text that is new in about half of all cases. `place`: among the events so far. */
function sampleAt(index: number, place: number, random: Random): UsageSample {
  return {
    timeNs: fromNs + BigInt(Math.floor(place)) * nsPerMs,
    quantity: BigInt(Math.floor(random.next() * 1e6)) * scaledOne,
    text: `user-${Math.floor(random.next() * (index + 1))}`,
    key: compositeKey('/gw/eu', `req-${index}`),
    cell: 0,
    group: '',
  }
}

/** As a catalog names it. */
function meterOf(aggregation: Aggregation): object {
  return aggregation === 'persistent_unique_count'
    ? { aggregation: 'unique_count', operation: 'o' }
    : { aggregation }
}

function basisOf(aggregation: Aggregation): ChargeBasis {
  const parsed = parseCatalogValue({
    meters: [
      {
        meter: 'm',
        event_type: 't',
        ...meterOf(aggregation),
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
  const whole = { fromNs, untilNs }
  return { price, meter, fraction: { numerator: 1n, denominator: 1n }, trial: false, ...whole, period: whole }
}
