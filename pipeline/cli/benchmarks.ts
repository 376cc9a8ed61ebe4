// The benchmarks' names and what each measures, apart from their code, which is loaded when one is run.

export const benchmarks = {
  'end-to-end': 'producers to JetStream to rated rows queryable in ClickHouse',
  floor: 'the least that any such pipeline must do: read, parse, insert',
  compare: 'end-to-end and floor in turn, and their ratio',
  stage: 'each stage alone, nanoseconds per event',
  'peer-postgres': 'the same events through Node and PostgreSQL',
  latency: 'arrival to queryable at half load',
  growth: 'cost and memory of more and more identities, and the restart with them',
  soak: '5,000 events a second for long, and whether memory grows',
} as const

export type Benchmark = keyof typeof benchmarks
