// The benchmarks: their names, what each measures and which options it takes. Their code is loaded when one
// is run.

/** `--events`, `--customers` and `--seed` are taken by all. */
export type BenchOption = 'rounds' | 'rate'

interface Description {
  readonly measures: string
  readonly options: readonly BenchOption[]
}

export const benchmarks = {
  'end-to-end': { measures: 'producers to JetStream to rated rows queryable in ClickHouse', options: [] },
  floor: { measures: 'the least that any such pipeline must do: read, parse, insert', options: [] },
  compare: { measures: 'end-to-end and floor in turn, and their ratio', options: ['rounds'] },
  stage: { measures: 'each stage alone, nanoseconds per event', options: ['rounds'] },
  'peer-postgres': { measures: 'the same events through Node and PostgreSQL', options: [] },
  latency: { measures: 'arrival to queryable at half load', options: ['rate'] },
  explain: { measures: 'what became of an event, asked over HTTP with so many in ClickHouse', options: [] },
  'billing-run': { measures: 'one run of many subscriptions, ten charges each', options: [] },
  growth: {
    measures: 'cost and memory of more and more identities, and the restart with them',
    options: [],
  },
  soak: { measures: '5,000 events a second for long, and whether memory grows', options: [] },
} as const satisfies Readonly<Record<string, Description>>

export type Benchmark = keyof typeof benchmarks
