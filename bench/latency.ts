// `weir bench latency`: how long it takes from an event's arrival (its JetStream timestamp) until ClickHouse answers
// with its rows, at half of the load that the same events were moved at on this machine just before.
// Marker events, one every `markerEveryMs`, travel among the traffic, each in a message of its own, to each partition in
// turn; ClickHouse is asked for them every `pollMs`, so a figure may be too large by that, never too small.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Weir } from '../pipeline/main.js'
import { partitionOf } from '../schemas/identifiers.js'
import { openClickHouse } from '../sinks/clickhouse/config.js'
import { type BenchOptions, trafficOf, withWeir } from './context.js'
import { endToEndFrom } from './end-to-end.js'
import { producersName, UsageMeter } from './process-usage.js'
import { type BenchReport, difference, factsOf, percentile, reportOf } from './report.js'
import { dispositionDifferences, rowDifferences, rowsQueryable } from './verdict.js'
import { customerIdOf } from './workload/price-list.js'
import { Producer } from './workload/producer.js'
import type { Expectation, TrafficOptions } from './workload/traffic.js'

export interface LatencyReport extends BenchReport {
  readonly p50_ms: number
  readonly p95_ms: number
  readonly p99_ms: number
  readonly max_ms: number
  readonly markers: number
  /** What was asked of the producers. */
  readonly offered_events_per_second: number
  /** What the same events were moved at beforehand, as fast as possible. */
  readonly full_events_per_second: number
}

const markerSource = '/bench/marker'
const markerEveryMs = 50
const pollMs = 25
const stallMs = 60_000

export async function latency(options: BenchOptions): Promise<LatencyReport> {
  const facts = factsOf('latency', options.seed)
  const producer = new Producer()
  try {
    const full = await endToEndFrom(producer, options)
    const eventsPerSecond = full.events_per_second / 2
    const traffic = trafficOf(options, Date.now())
    const expected = await producer.prepare(traffic)
    return await withWeir(options, traffic, async weir => {
      const run = await halfLoad(weir, producer, expected, traffic, eventsPerSecond, options)
      const sorted = run.latenciesMs.toSorted((a, b) => a - b)
      return {
        ...reportOf(facts, { ...run, differences: [...full.differences, ...run.differences] }),
        p50_ms: percentile(sorted, 50),
        p95_ms: percentile(sorted, 95),
        p99_ms: percentile(sorted, 99),
        max_ms: sorted.at(-1) ?? Number.NaN,
        markers: sorted.length,
        offered_events_per_second: Math.round(eventsPerSecond),
        full_events_per_second: full.events_per_second,
      }
    })
  } finally {
    await producer.stop()
  }
}

async function halfLoad(
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
    const step = progress.step('half load', traffic.rows)
    meter.begin()
    const startedAt = performance.now()
    const markers = new Markers(clickhouse, markerCustomers(customers, partitions))
    const marking = markers.run(weir.natsUrl)
    await producer.publish(weir.natsUrl, eventsPerSecond)
    await markers.finish()
    await marking
    const rows = traffic.rows + markers.sent * 2
    await rowsQueryable(clickhouse, rows, { stallMs, onRows: count => step.advance(count) })
    const seconds = (performance.now() - startedAt) / 1_000
    const usage = meter.end()
    step.done()
    await weir.delivered(AbortSignal.timeout(stallMs))
    const events = traffic.events + markers.sent
    const expected = { ...traffic, events, unique: traffic.unique + markers.sent, rows }
    const differences = [
      ...(await rowDifferences(clickhouse, { rows, column: 'amount', sum: traffic.amount })),
      ...(await dispositionDifferences(clickhouse, expected, customers)),
      ...difference('markers seen', markers.sent, markers.latenciesMs.length),
    ]
    return { events, seconds, usage, differences, latenciesMs: markers.latenciesMs }
  } finally {
    await clickhouse.close()
  }
}

/** One customer of each partition, among those with the least traffic. */
function markerCustomers(customers: number, partitions: number): string[] {
  const found = new Map<number, string>()
  for (let customer = customers - 1; customer >= 0 && found.size < partitions; customer -= 1) {
    const id = customerIdOf(customer)
    const partition = partitionOf(id, partitions)
    if (!found.has(partition)) found.set(partition, id)
  }
  return [...found.entries()].sort(([a], [b]) => a - b).map(([, id]) => id)
}

class Markers {
  readonly latenciesMs: number[] = []
  sent = 0
  readonly #clickhouse: ClickHouseClient
  readonly #customers: readonly string[]
  readonly #seen = new Set<string>()
  #ending = false
  #publishing: Promise<void> | undefined

  constructor(clickhouse: ClickHouseClient, customers: readonly string[]) {
    this.#clickhouse = clickhouse
    this.#customers = customers
  }

  /** Publishes and polls until `finish`, and then until every marker was seen. */
  async run(natsUrl: string): Promise<void> {
    this.#publishing = this.#publish(natsUrl)
    await this.#look()
  }

  async finish(): Promise<void> {
    this.#ending = true
    await this.#publishing
  }

  async #publish(natsUrl: string): Promise<void> {
    const nc = await connect({ servers: natsUrl })
    try {
      const js = jetstream(nc)
      for (; !this.#ending; await sleep(markerEveryMs)) {
        const customer = this.#customers[this.sent % this.#customers.length]!
        const event = {
          specversion: '1.0',
          id: `marker-${this.sent}`,
          source: markerSource,
          type: 'llm.request',
          subject: customer,
          data: { input_tokens: 0, output_tokens: 0 },
        }
        await js.publish(`usage.${customer}`, JSON.stringify(event))
        this.sent += 1
      }
    } finally {
      await nc.close()
    }
  }

  async #look(): Promise<void> {
    const query = `
      SELECT event_id, min(toUnixTimestamp64Milli(ingested_at)) AS arrived FROM rated_usage
      WHERE customer_id IN {customers: Array(String)} AND event_source = '${markerSource}' GROUP BY event_id
      SETTINGS output_format_json_quote_64bit_integers = 0`
    const lastSeenAt = { ms: Date.now() }
    while (!this.#ending || this.#seen.size < this.sent) {
      const answer = await this.#clickhouse.query({
        query,
        format: 'JSONEachRow',
        query_params: { customers: this.#customers },
      })
      const rows = await answer.json<{ event_id: string; arrived: number }>()
      const nowMs = Date.now()
      for (const { event_id, arrived } of rows) {
        if (this.#seen.has(event_id)) continue
        this.#seen.add(event_id)
        this.latenciesMs.push(nowMs - arrived)
        lastSeenAt.ms = nowMs
      }
      if (this.#ending && nowMs - lastSeenAt.ms > stallMs) return // the report will say that some are missing
      await sleep(pollMs)
    }
  }
}
