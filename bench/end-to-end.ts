// `weir bench end-to-end`: producers -> JetStream (acknowledged when on disk) -> dedupe, attach, rate -> ClickHouse rows
// queryable. The clock runs from the first publication until `count()` and `sum(amount)` in ClickHouse are the
// independent ones.

import type { Weir } from '../pipeline/main.js'
import { openClickHouse } from '../sinks/clickhouse/config.js'
import { type BenchOptions, trafficOf, withWeir } from './measure/context.js'
import { producersName, type Usage, UsageMeter } from './measure/process-usage.js'
import { type BenchReport, type Difference, factsOf, reportOf, rounded } from './measure/report.js'
import { dispositionDifferences, rowDifferences, rowsQueryable } from './measure/verdict.js'
import { Producer } from './workload/producer.js'
import type { Expectation } from './workload/traffic.js'

export interface EndToEndReport extends BenchReport {
  readonly rows: number
  readonly bytes: number
  /** When the last event was acknowledged by JetStream. */
  readonly published_seconds: number
  readonly processes: Usage['processes']
}

export interface EndToEndHooks {
  /** For the canary: what is expected, made wrong on purpose. */
  readonly expect?: (expected: Expectation) => Expectation
  /** How long the rows may not grow before the run is given up. */
  readonly stallMs?: number
}

const defaultStallMs = 60_000

export async function endToEnd(options: BenchOptions, hooks: EndToEndHooks = {}): Promise<EndToEndReport> {
  const producer = new Producer()
  try {
    return await endToEndFrom(producer, options, hooks)
  } finally {
    await producer.stop()
  }
}

export async function endToEndFrom(
  producer: Producer,
  options: BenchOptions,
  hooks: EndToEndHooks = {},
): Promise<EndToEndReport> {
  const facts = factsOf('end-to-end', options.seed)
  const traffic = trafficOf(options, Date.now())
  const making = options.progress.step('making events', 0)
  const expected = (hooks.expect ?? (same => same))(await producer.prepare(traffic))
  making.done()
  return withWeir(options, traffic, async weir => {
    const run = await timedRun(weir, producer, expected, options, hooks.stallMs ?? defaultStallMs)
    return {
      ...reportOf(facts, { events: expected.events, ...run }),
      rows: expected.rows,
      bytes: expected.bytes,
      published_seconds: rounded(run.publishedSeconds, 3),
      processes: run.usage.processes,
    }
  })
}

interface TimedRun {
  readonly seconds: number
  readonly publishedSeconds: number
  readonly usage: Usage
  readonly differences: readonly Difference[]
}

async function timedRun(
  weir: Weir,
  producer: Producer,
  expected: Expectation,
  { progress, customers }: BenchOptions,
  stallMs: number,
): Promise<TimedRun> {
  const clickhouse = openClickHouse(weir.clickhouse)
  const { nats, clickhouse: database } = weir.pids()
  const meter = new UsageMeter({
    weir: process.pid,
    'nats-server': nats,
    clickhouse: database,
    [producersName]: producer.pid,
  })
  try {
    const step = progress.step('rows queryable in ClickHouse', expected.rows)
    meter.begin()
    const startedAt = performance.now()
    const publishing = producer.publish(weir.nats)
    await Promise.all([
      publishing,
      rowsQueryable(clickhouse, expected.rows, { stallMs, onRows: rows => step.advance(rows) }),
    ])
    const wrongRows = await rowDifferences(clickhouse, {
      rows: expected.rows,
      column: 'amount',
      sum: expected.amount,
    })
    const seconds = (performance.now() - startedAt) / 1_000
    const usage = meter.end()
    step.done()
    await weir.delivered(AbortSignal.timeout(stallMs))
    const differences = [...wrongRows, ...(await dispositionDifferences(clickhouse, expected, customers))]
    return { seconds, publishedSeconds: (await publishing).seconds, usage, differences }
  } finally {
    await clickhouse.close()
  }
}
