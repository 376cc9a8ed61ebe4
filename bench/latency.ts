// `weir bench latency`: how long it takes from an event's arrival (its JetStream timestamp) until ClickHouse
// answers with its rows, told by marker events among the traffic (workload/markers.ts). The load is half of
// what the same events were moved at on this machine just before, or the rate that is asked for, and comes
// evenly. It begins without a warm-up: in the first seconds code is compiled and most customers occur for the
// first time. The report's figures count all markers; those of the first `coldSeconds` and the others are
// also reported separately.

import type { Weir } from '../pipeline/main.js'
import { openClickHouse } from '../sinks/clickhouse/config.js'
import { endToEndFrom } from './end-to-end.js'
import { type BenchOptions, trafficOf, withWeir } from './measure/context.js'
import { producersName, type Usage, UsageMeter } from './measure/process-usage.js'
import { type BenchReport, difference, factsOf, percentile, reportOf } from './measure/report.js'
import { dispositionDifferences, rowDifferences, rowsQueryable } from './measure/verdict.js'
import { type MarkerLatency, Markers, markerCustomers, rowsPerMarker } from './workload/markers.js'
import { Producer } from './workload/producer.js'
import type { Expectation, TrafficOptions } from './workload/traffic.js'

export interface Percentiles {
  readonly p50_ms: number
  readonly p95_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly markers: number
}

export interface LatencyReport extends BenchReport, Percentiles {
  /** What was asked of the producers. */
  readonly offered_events_per_second: number
  /** The highest rate for the same events, measured before; absent when the load was given. */
  readonly full_events_per_second?: number
  /** Of the markers that arrived within the first `coldSeconds`, and of those after them. */
  readonly phases: { readonly cold: Percentiles; readonly warm: Percentiles }
  readonly processes: Usage['processes']
}

const coldSeconds = 5
const stallMs = 60_000

/** `eventsPerSecond`: the load, instead of half of the full rate. */
export async function latency(options: BenchOptions, eventsPerSecond?: number): Promise<LatencyReport> {
  const facts = factsOf('latency', options.seed)
  const producer = new Producer()
  try {
    const full = eventsPerSecond === undefined ? await endToEndFrom(producer, options) : undefined
    const offered = eventsPerSecond ?? full!.events_per_second / 2
    const traffic = trafficOf(options, Date.now())
    const expected = await producer.prepare(traffic)
    return await withWeir(options, traffic, async weir => {
      const run = await underLoad(weir, producer, expected, traffic, offered, options)
      const differences = [...(full?.differences ?? []), ...run.differences]
      const coldUntilMs = run.startedAtMs + coldSeconds * 1_000
      return {
        ...reportOf(facts, { ...run, differences }),
        ...percentilesOf(run.seen),
        offered_events_per_second: Math.round(offered),
        ...(full === undefined ? {} : { full_events_per_second: full.events_per_second }),
        phases: {
          cold: percentilesOf(run.seen.filter(one => one.arrivedAtMs < coldUntilMs)),
          warm: percentilesOf(run.seen.filter(one => one.arrivedAtMs >= coldUntilMs)),
        },
        processes: run.usage.processes,
      }
    })
  } finally {
    await producer.stop()
  }
}

async function underLoad(
  weir: Weir,
  producer: Producer,
  traffic: Expectation,
  { customers, partitions }: TrafficOptions,
  eventsPerSecond: number,
  { progress }: BenchOptions,
) {
  const clickhouse = openClickHouse(weir.clickhouse)
  const pids = weir.pids()
  const meter = new UsageMeter({
    weir: process.pid,
    'nats-server': pids.nats,
    clickhouse: pids.clickhouse,
    [producersName]: producer.pid,
  })
  try {
    const step = progress.step('under load', traffic.rows)
    meter.begin()
    const startedAtMs = Date.now()
    const delivered = (): number => weir.status().feeds.find(feed => feed.sink === 'clickhouse')?.rows ?? 0
    const markers = new Markers(clickhouse, markerCustomers(customers, partitions), delivered, stallMs)
    const marking = markers.run(weir.nats)
    await producer.publish(weir.nats, eventsPerSecond)
    await markers.finish()
    await marking
    const rows = traffic.rows + markers.sent * rowsPerMarker
    await rowsQueryable(clickhouse, rows, { stallMs, onRows: count => step.advance(count) })
    const seconds = (Date.now() - startedAtMs) / 1_000
    const usage = meter.end()
    step.done()
    await weir.delivered(AbortSignal.timeout(stallMs))
    const events = traffic.events + markers.sent
    const expected = { ...traffic, events, unique: traffic.unique + markers.sent, rows }
    const differences = [
      ...(await rowDifferences(clickhouse, { rows, column: 'amount', sum: traffic.amount })),
      ...(await dispositionDifferences(clickhouse, expected, customers)),
      ...difference('markers seen', markers.sent, markers.seen.length),
    ]
    return { events, seconds, startedAtMs, usage, differences, seen: markers.seen }
  } finally {
    await clickhouse.close()
  }
}

function percentilesOf(seen: readonly MarkerLatency[]): Percentiles {
  const sorted = seen.map(one => one.latencyMs).sort((a, b) => a - b)
  return {
    p50_ms: percentile(sorted, 50),
    p95_ms: percentile(sorted, 95),
    p99_ms: percentile(sorted, 99),
    max_ms: sorted.at(-1) ?? Number.NaN,
    markers: sorted.length,
  }
}
