// The aggregations that a meter can name: the one list of them, with what reading a meter depends on.
// How each one aggregates is in rating/aggregations; a name that is missing there does not compile. Contract section 3.

export interface AggregationFacts {
  /** What a meter reads at its `value`. */
  readonly reads: 'nothing' | 'text' | 'quantity'
  /** Meters take negative values unless told otherwise: changes of a level go both ways. */
  readonly negativeByDefault?: true
  readonly takesPercentile?: true
  /** The quantity is divided by how many events or windows there were: a price by events or by cells cannot follow it. */
  readonly quotient?: true
  /** The quantity is the sum of what each event adds by itself. The number stands for the name in stored state. */
  readonly additive?: number
  /** It is what `unique_count` is by an `operation` of the meter, and not named by itself. */
  readonly byOperation?: true
  /** Of one that is not additive: what it keeps of the events, which no running total can. */
  readonly keeps?: string
}

/** Whoever adds an aggregation says which it is: `weir validate --cost` tells it. */
type AddedUpOrNot = { readonly additive: number } | { readonly keeps: string }

const facts = {
  count: { reads: 'nothing', additive: 2 },
  sum: { reads: 'quantity', additive: 1 },
  max: { reads: 'quantity', keeps: 'the greatest value' },
  min: { reads: 'quantity', keeps: 'the least value' },
  latest: { reads: 'quantity', keeps: 'the latest value and its time' },
  first: { reads: 'quantity', keeps: 'the first value and its time' },
  average: { reads: 'quantity', quotient: true, keeps: 'the sum of the values and how many there are' },
  unique_count: { reads: 'text', keeps: 'every distinct value' },
  persistent_unique_count: {
    reads: 'text',
    byOperation: true,
    keeps: 'every distinct value and its operations, by time',
  },
  weighted_sum: { reads: 'quantity', negativeByDefault: true, keeps: 'a level, weighted by time' },
  time_average: { reads: 'quantity', keeps: 'every value of a level, by time' },
  percentile: { reads: 'quantity', takesPercentile: true, keeps: 'every value' },
} as const satisfies Readonly<Record<string, AggregationFacts & AddedUpOrNot>>

export type Aggregation = keyof typeof facts

export type AdditiveAggregation = {
  [A in Aggregation]: (typeof facts)[A] extends { additive: number } ? A : never
}[Aggregation]

export const aggregations = Object.keys(facts) as readonly Aggregation[]

/** Of an additive one the number is known to the compiler. */
export const aggregationFacts: Readonly<Record<Aggregation, AggregationFacts>> &
  Readonly<Record<AdditiveAggregation, { readonly additive: number }>> = facts

/** What a catalog can say. */
export const namedAggregations = aggregations.filter(name => !aggregationFacts[name].byOperation)
