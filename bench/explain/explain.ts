// `weir bench explain`: how long it takes to ask what became of an event over HTTP, one question after another, with so many
// events in ClickHouse. Most of the events are put there by SQL over the real schema (fill.ts); some went through the whole
// pipeline, so that versions and arithmetic are read back for them. Half of the questions are about each kind.
// Invariant: an answer counts only when it names the event and the amount that it was given.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Weir } from '../../pipeline/main.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { type BenchOptions, trafficOf, withWeir } from '../measure/context.js'
import { type Usage, UsageMeter } from '../measure/process-usage.js'
import {
  type BenchReport,
  type Difference,
  difference,
  factsOf,
  percentile,
  reportOf,
  rounded,
} from '../measure/report.js'
import { rowsQueryable } from '../measure/verdict.js'
import { Producer } from '../workload/producer.js'
import { Random } from '../workload/random.js'
import { type Filling, fill, identitiesOf, kindOf } from './fill.js'

export interface ExplainReport extends BenchReport {
  /** `seconds` and `events_per_second` are those of filling the tables. */
  readonly lookups: readonly Lookups[]
  readonly processes: Usage['processes']
}

interface Lookups {
  readonly of: string
  readonly asked: number
  readonly p50_ms: number
  readonly p95_ms: number
  readonly p99_ms: number
  readonly max_ms: number
}

const realEvents = 20_000
const realCustomers = 500
const questions = 500
const stallMs = 120_000

interface Question {
  readonly source: string
  readonly id: string
  readonly disposition: string
  readonly amount: string
}

export async function explain(options: BenchOptions): Promise<ExplainReport> {
  const facts = factsOf('explain', options.seed)
  const small = { ...options, events: Math.min(realEvents, options.events), customers: realCustomers }
  const traffic = trafficOf(small, Date.now())
  const producer = new Producer()
  try {
    const { rows } = await producer.prepare(traffic)
    return await withWeir(small, traffic, async weir => {
      await producer.publish(weir.nats)
      const clickhouse = openClickHouse(weir.clickhouse)
      try {
        await rowsQueryable(clickhouse, rows, { stallMs, onRows: () => undefined })
        await weir.delivered(AbortSignal.timeout(stallMs))
        const measured = await measure(weir, clickhouse, options)
        return {
          ...reportOf(facts, measured),
          lookups: measured.lookups,
          processes: measured.usage.processes,
        }
      } finally {
        await clickhouse.close()
      }
    })
  } finally {
    await producer.stop()
  }
}

async function measure(weir: Weir, clickhouse: ClickHouseClient, options: BenchOptions) {
  const { events, customers, progress } = options
  const filling: Filling = { events, customers, messages: realEvents / 500 }
  const real = await realQuestions(clickhouse)
  const step = progress.step('filling ClickHouse', events)
  const begunMs = performance.now()
  let shown = 0
  await fill(clickhouse, filling, done => {
    step.advance(done - shown)
    shown = done
  })
  const seconds = (performance.now() - begunMs) / 1_000
  step.done()
  await merged(clickhouse)
  const made = await madeQuestions(clickhouse, filling, options.seed)
  const pids = weir.pids()
  const meter = new UsageMeter({ weir: process.pid, 'nats-server': pids.nats, clickhouse: pids.clickhouse })
  meter.begin()
  const differences: Difference[] = []
  for (const one of [...real.slice(0, 20), ...made.asked.slice(0, 20)]) await ask(weir, one, differences)
  const asking = progress.step('asking', questions * 3)
  const lookups: Lookups[] = []
  for (const [of, list] of [
    ['events that went through the pipeline', real],
    ['events put there by SQL', made.asked],
  ] as const) {
    const times: number[] = []
    for (const one of list) times.push(await ask(weir, one, differences))
    asking.advance(list.length)
    lookups.push(lookupsOf(of, times))
  }
  const times: number[] = []
  for (const charge of made.charges) times.push(await askCharge(weir, charge, differences))
  lookups.push(lookupsOf('the first 100 events of a charge', times))
  asking.done()
  return { events, seconds, usage: meter.end(), differences: differences.slice(0, 20), lookups }
}

/** Returns when ClickHouse has no merges under way, which would be measured as if they were questions. */
async function merged(clickhouse: ClickHouseClient): Promise<void> {
  const query = 'SELECT count() AS n FROM system.merges'
  for (let quiet = 0; quiet < 5; await sleep(500)) {
    const [row] = await (await clickhouse.query({ query, format: 'JSONEachRow' })).json<{ n: string }>()
    quiet = row?.n === '0' ? quiet + 1 : 0
  }
}

/** What stands rated of events that are in ClickHouse before it is filled. */
async function realQuestions(clickhouse: ClickHouseClient): Promise<Question[]> {
  const query = `SELECT event_source AS source, event_id AS id, 'rated' AS disposition, toString(sum(amount)) AS amount
    FROM rated_usage GROUP BY event_source, event_id ORDER BY cityHash64(event_id) LIMIT ${questions}`
  return (await clickhouse.query({ query, format: 'JSONEachRow' })).json<Question>()
}

async function madeQuestions(clickhouse: ClickHouseClient, filling: Filling, seed: number) {
  const random = new Random(seed)
  const numbers = Array.from({ length: questions }, () => Math.floor(random.next() * filling.events))
  const named = await identitiesOf(clickhouse, filling, numbers)
  const asked = named.map(({ event, source, id }): Question => {
    const isRefused = kindOf(event) === 'refused'
    const disposition = isRefused ? 'dead_lettered' : 'rated'
    return { source, id, disposition, amount: isRefused ? '0' : '0.000003' }
  })
  const rated = named.filter(({ event }) => kindOf(event) !== 'refused')
  return { asked, charges: rated.slice(0, questions / 5).map(one => one.charge) }
}

interface Answer {
  readonly id: string
  readonly disposition: string
  readonly charges: readonly { readonly amount: string }[]
}

async function ask(weir: Weir, question: Question, differences: Difference[]): Promise<number> {
  const { source, id, disposition, amount } = question
  const { ms, body } = await get<Answer>(weir, `/v1/events?${new URLSearchParams({ source, id })}`)
  const owed = rounded(
    (body.charges ?? []).reduce((sum, one) => sum + Number(one.amount), 0),
    12,
  )
  differences.push(
    ...difference(
      `the event ${id}`,
      `${disposition} ${rounded(Number(amount), 12)}`,
      `${body.disposition} ${owed}`,
    ),
  )
  return ms
}

async function askCharge(weir: Weir, charge: string, differences: Difference[]): Promise<number> {
  const { ms, body } = await get<{ charge_id?: string }>(weir, `/v1/charges/${charge}/events?limit=100`)
  differences.push(...difference('the charge', charge, body.charge_id ?? ''))
  return ms
}

async function get<T>(weir: Weir, path: string): Promise<{ readonly ms: number; readonly body: T }> {
  const begunMs = performance.now()
  const response = await fetch(`${weir.url}${path}`, {
    headers: { authorization: `Bearer ${weir.firstKey}` },
  })
  const body = (await response.json()) as T
  return { ms: performance.now() - begunMs, body }
}

function lookupsOf(of: string, times: readonly number[]): Lookups {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (percent: number): number => rounded(percentile(sorted, percent), 1)
  return {
    of,
    asked: sorted.length,
    p50_ms: at(50),
    p95_ms: at(95),
    p99_ms: at(99),
    max_ms: rounded(sorted.at(-1) ?? Number.NaN, 1),
  }
}
