// Marker events, sent among the traffic, each in its own message, to each partition in turn. ClickHouse is
// queried for them after each delivery, and only in new parts, because queries slow down what is measured (a
// statement costs the embedded ClickHouse 3 ms and more).
// Invariants:
// 1. They are sent by the clock and wait for no answer, so that as many are sent while the pipeline pauses.
// 2. A latency is from the arrival that the broker noted until an answer of ClickHouse in which the rows
//    were, so it may be too large by the asking, never too small.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { customerIdOf } from './price-list.js'

export interface MarkerLatency {
  readonly arrivedAtMs: number
  readonly latencyMs: number
}

/** Rows of `rated_usage` for one marker: one per meter. */
export const rowsPerMarker = 2

const markerSource = '/bench/marker'
const markerEveryMs = 20
const pollMs = 5
/** One customer of each partition, among those with the least traffic. */
export function markerCustomers(customers: number, partitions: number): string[] {
  const found = new Map<number, string>()
  for (let customer = customers - 1; customer >= 0 && found.size < partitions; customer -= 1) {
    const id = customerIdOf(customer)
    const partition = partitionOf(id, partitions)
    if (!found.has(partition)) found.set(partition, id)
  }
  return [...found.entries()].sort(([a], [b]) => a - b).map(([, id]) => id)
}

export class Markers {
  readonly seen: MarkerLatency[] = []
  sent = 0
  readonly #clickhouse: ClickHouseClient
  readonly #customers: readonly string[]
  readonly #delivered: () => number
  readonly #stallMs: number
  /** Sent and not seen. */
  readonly #awaited = new Set<string>()
  /** Parts whose rows were asked for. */
  readonly #asked = new Set<string>()
  /** Number of the last insert that the latest query found, and that of the query before it. */
  #blocks = { before: 0, last: 0 }
  #ending = false
  #publishing: Promise<void> | undefined

  /**
   * `delivered` is a number that moves when ClickHouse may have new rows. Gives up when no marker was seen
   * for `stallMs` after the last one was sent.
   */
  constructor(
    clickhouse: ClickHouseClient,
    customers: readonly string[],
    delivered: () => number,
    stallMs: number,
  ) {
    this.#clickhouse = clickhouse
    this.#customers = customers
    this.#delivered = delivered
    this.#stallMs = stallMs
  }

  /** Publishes and polls until `finish`, and then until every marker was seen. */
  async run(nats: NatsLogin): Promise<void> {
    this.#publishing = this.#publish(nats)
    await Promise.all([this.#publishing, this.#look()])
  }

  /** Resolves when the last one has been acknowledged. */
  async finish(): Promise<void> {
    this.#ending = true
    await this.#publishing
  }

  async #publish(nats: NatsLogin): Promise<void> {
    const nc = await connect(nats)
    try {
      const js = jetstream(nc)
      const startedAtMs = performance.now()
      const answers: Promise<unknown>[] = []
      while (!this.#ending) {
        const customer = this.#customers[this.sent % this.#customers.length]!
        const id = `marker-${this.sent}`
        this.#awaited.add(id)
        answers.push(js.publish(`usage.${customer}`, markerEvent(id, customer)))
        this.sent += 1
        await sleep(Math.max(0, startedAtMs + this.sent * markerEveryMs - performance.now())) // invariant 1
      }
      await Promise.all(answers)
    } finally {
      await nc.close()
    }
  }

  async #look(): Promise<void> {
    let lastSeenAtMs = Date.now()
    for (let before = -1; !this.#ending || this.#awaited.size > 0; await sleep(pollMs)) {
      const delivered = this.#delivered()
      const parts = delivered === before ? [] : await this.#newParts()
      before = delivered
      const found = parts.length === 0 ? [] : await this.#markersIn(parts)
      const nowMs = Date.now()
      for (const { event_id, arrived } of found) {
        if (!this.#awaited.delete(event_id)) continue
        this.seen.push({ arrivedAtMs: arrived, latencyMs: nowMs - arrived }) // invariant 2
        lastSeenAtMs = nowMs
      }
      if (this.#ending && nowMs - lastSeenAtMs > this.#stallMs) return // the report will say that some are missing
    }
  }

  /**
   * Names of the parts with inserts later than those queried. Begins one query earlier, because a part may be
   * merged into another before its rows are queried.
   */
  async #newParts(): Promise<string[]> {
    const query = `
      SELECT name, toUInt32(max_block_number) AS last FROM system.parts
      WHERE active AND database = currentDatabase() AND table = 'rated_usage' AND max_block_number > {block: Int64}`
    const parts = await this.#ask<{ name: string; last: number }>(query, { block: this.#blocks.before })
    const fresh = parts.map(part => part.name).filter(name => !this.#asked.has(name))
    for (const name of fresh) this.#asked.add(name)
    const { last } = this.#blocks
    this.#blocks = { before: last, last: parts.reduce((most, part) => Math.max(most, part.last), last) }
    return fresh
  }

  #markersIn(parts: readonly string[]): Promise<{ event_id: string; arrived: number }[]> {
    const query = `
      SELECT event_id, min(toUnixTimestamp64Milli(ingested_at)) AS arrived FROM rated_usage
      WHERE _part IN {parts: Array(String)} AND customer_id IN {customers: Array(String)}
        AND event_source = '${markerSource}'
      GROUP BY event_id SETTINGS output_format_json_quote_64bit_integers = 0`
    return this.#ask(query, { parts, customers: this.#customers })
  }

  async #ask<T>(query: string, query_params: Record<string, unknown> = {}): Promise<T[]> {
    // Held until it is whole: the embedded ClickHouse plans other results on the thread that takes the
    // inserts.
    const clickhouse_settings = { wait_end_of_query: 1 } as const
    const answer = await this.#clickhouse.query({
      query,
      query_params,
      format: 'JSONEachRow',
      clickhouse_settings,
    })
    return answer.json()
  }
}

function markerEvent(id: string, customer: string): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: markerSource,
    type: 'llm.request',
    subject: customer,
    data: { input_tokens: 0, output_tokens: 0 },
  })
}
