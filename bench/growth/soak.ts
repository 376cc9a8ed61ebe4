// `weir bench soak`: a constant, moderate load for a long time, and whether memory grows with it. Weir runs
// as a user starts it, in processes of its own; resident memory of each is read every ten seconds.
//
// Only the identities may grow: 36 bytes each (pipeline/core/state). They are subtracted from the slope of
// Weir's own process. The first quarter is left out, because caches fill and heaps reach their size.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { natsSubjects } from '../../pipeline/broker/topology.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import type { BenchOptions } from '../measure/context.js'
import { cpuSecondsOf } from '../measure/process-usage.js'
import { type BenchReport, difference, factsOf, reportOf, rounded } from '../measure/report.js'
import { SupervisedWeir } from '../measure/supervised-weir.js'
import { rowDifferences, rowsQueryable } from '../measure/verdict.js'
import { decimalText, IndependentSum } from '../workload/independent-sum.js'
import { customerIdOf } from '../workload/price-list.js'
import { Random } from '../workload/random.js'
import { makeSubscriptions } from '../workload/traffic.js'

export interface SoakProcess {
  readonly process: string
  readonly first_rss_mb: number
  readonly last_rss_mb: number
  readonly peak_rss_mb: number
  /** Least squares over the last three quarters. */
  readonly slope_mb_per_minute: number
  readonly cpu_seconds: number
}

export interface SoakReport extends BenchReport {
  readonly offered_events_per_second: number
  /** Of Weir's own process, less the identities. */
  readonly slope_beyond_ids_mb_per_minute: number
  readonly memory: readonly SoakProcess[]
  readonly samples: readonly SoakSample[]
}

interface SoakSample {
  readonly seconds: number
  readonly weir_mb: number
  readonly nats_mb: number
  readonly clickhouse_mb: number
}

const partitions = 4
const eventsPerSecond = 5_000
const sendsPerSecond = 4
const sampleEveryMs = 10_000
const bytesPerId = 36
const mb = 1e6
const stallMs = 120_000

export async function soak(options: BenchOptions): Promise<SoakReport> {
  const facts = factsOf('soak', options.seed)
  const weir = await SupervisedWeir.start({
    env: { WEIR_DEDUPE_HORIZON_DAYS: '35', WEIR_PARTITIONS: String(partitions) },
  })
  const starting = options.progress.step('starting Weir', 0)
  try {
    await weir.ready()
    starting.done()
    const nc = await connect(weir.nats)
    try {
      return await soakFrom(weir, nc, facts, options)
    } finally {
      await nc.close()
    }
  } finally {
    await weir.stop()
  }
}

async function soakFrom(
  weir: SupervisedWeir,
  nc: NatsConnection,
  facts: Parameters<typeof reportOf>[0],
  options: BenchOptions,
): Promise<SoakReport> {
  const clickhouse = openClickHouse(weir.clickhouse)
  try {
    await subscribe(nc, options)
    const pids = pidsOf(weir)
    const cpuBefore = pids.map(([, pid]) => cpuSecondsOf(pid))
    const step = options.progress.step('5,000 events a second', options.events)
    const samples: SoakSample[] = []
    const startedAt = performance.now()
    const since = (): number => (performance.now() - startedAt) / 1_000
    const sample = (): void => {
      const [weirMb = 0, natsMb = 0, clickhouseMb = 0] = pids.map(([, pid]) => residentMb(pid))
      samples.push({
        seconds: Math.round(since()),
        weir_mb: weirMb,
        nats_mb: natsMb,
        clickhouse_mb: clickhouseMb,
      })
    }
    const sampling = setInterval(sample, sampleEveryMs)
    const sum = await sendSteadily(nc, options, count => step.advance(count)).finally(() =>
      clearInterval(sampling),
    )
    const seconds = since()
    sample()
    const rows = options.events * 2
    await rowsQueryable(clickhouse, rows, { stallMs, onRows: () => undefined })
    step.done()
    const found = await rowDifferences(clickhouse, { rows, column: 'amount', sum: decimalText(sum.amount()) })
    const memory = pids.map(([process, pid], index) =>
      memoryOf(process, samples, index, cpuSecondsOf(pid) - cpuBefore[index]!),
    )
    const idsMbPerMinute = ((options.events / seconds) * 60 * bytesPerId) / mb
    const usage = {
      cpuSeconds: memory.reduce((total, one) => total + one.cpu_seconds, 0),
      peakRssBytes: memory.reduce((total, one) => total + one.peak_rss_mb, 0) * mb,
      processes: {},
    }
    const differences = [...found, ...difference('restarts of the process', 0, weir.unaskedExits)]
    return {
      ...reportOf(facts, { events: options.events, seconds, usage, differences }),
      offered_events_per_second: eventsPerSecond,
      slope_beyond_ids_mb_per_minute: rounded(memory[0]!.slope_mb_per_minute - idsMbPerMinute, 2),
      memory,
      samples,
    }
  } finally {
    await clickhouse.close()
  }
}

async function subscribe(nc: NatsConnection, { customers }: BenchOptions): Promise<void> {
  const js = jetstream(nc)
  const { catalog, messages } = makeSubscriptions({ customers, partitions, nowMs: Date.now() })
  await js.publish(natsSubjects.catalog, catalog)
  for (const { partition, bytes } of messages)
    await js.publish(natsSubjects.gatewayLifecycle(partition), bytes, { headers: ndjson() })
}

/** Sends at the offered rate, every quarter of a second; events are made when they are sent and not kept. */
async function sendSteadily(
  nc: NatsConnection,
  options: BenchOptions,
  onSent: (events: number) => void,
): Promise<IndependentSum> {
  const js = jetstream(nc)
  const random = new Random(options.seed)
  const sum = new IndependentSum()
  const startedAt = performance.now()
  for (let sent = 0, turn = 0; sent < options.events; turn += 1) {
    const lines: string[][] = Array.from({ length: partitions }, () => [])
    const count = Math.min(options.events - sent, eventsPerSecond / sendsPerSecond)
    for (let i = 0; i < count; i += 1) addEvent(lines, sent + i, random, options.customers, sum)
    await Promise.all(
      lines.map(async (one, partition) => {
        if (one.length === 0) return
        await js.publish(natsSubjects.gatewayMetering(partition), one.join(''), { headers: ndjson() })
      }),
    )
    sent += count
    onSent(count)
    await sleep(Math.max(0, startedAt + ((turn + 1) * 1_000) / sendsPerSecond - performance.now()))
  }
  return sum
}

function addEvent(
  lines: string[][],
  index: number,
  random: Random,
  customers: number,
  sum: IndependentSum,
): void {
  const customer = Math.floor(random.next() * customers)
  const timeMs = Date.now() - Math.floor(random.next() * 60_000)
  const tokensIn = 1 + Math.floor(random.next() * 4_000)
  const tokensOut = 1 + Math.floor(random.next() * 1_000)
  sum.add(customer, timeMs, tokensIn, tokensOut)
  const subject = customerIdOf(customer)
  const time = new Date(timeMs).toISOString()
  lines[partitionOf(subject, partitions)]!.push(
    `{"specversion":"1.0","id":"req-${random.uniqueHex(index)}","source":"/gw","type":"llm.request","subject":"${subject}","time":"${time}","data":{"input_tokens":${tokensIn},"output_tokens":${tokensOut},"model":"m${index % 7}","region":"eu-west-1","tier":"standard"}}\n`,
  )
}

function ndjson() {
  const type = headers()
  type.set('content-type', ndjsonType)
  return type
}

function pidsOf(weir: SupervisedWeir): readonly (readonly [string, number])[] {
  const { pid, nats_pid: nats, clickhouse_pid: clickhouse } = weir.instance!
  return [
    ['weir', pid],
    ['nats-server', nats ?? 0],
    ['clickhouse', clickhouse ?? 0],
  ]
}

function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return rounded((Number(kib) * 1024) / mb, 1)
}

function memoryOf(
  process: string,
  samples: readonly SoakSample[],
  index: number,
  cpuSeconds: number,
): SoakProcess {
  const name = (['weir_mb', 'nats_mb', 'clickhouse_mb'] as const)[index]!
  const settled = samples.slice(Math.floor(samples.length / 4))
  const values = settled.map(sample => sample[name])
  return {
    process,
    first_rss_mb: values[0] ?? Number.NaN,
    last_rss_mb: values.at(-1) ?? Number.NaN,
    peak_rss_mb: Math.max(...samples.map(sample => sample[name])),
    slope_mb_per_minute: rounded(
      slopeOf(
        settled.map(sample => sample.seconds / 60),
        values,
      ),
      2,
    ),
    cpu_seconds: rounded(cpuSeconds, 1),
  }
}

function slopeOf(xs: readonly number[], ys: readonly number[]): number {
  const meanX = xs.reduce((sum, x) => sum + x, 0) / xs.length
  const meanY = ys.reduce((sum, y) => sum + y, 0) / ys.length
  let above = 0
  let below = 0
  for (const [i, x] of xs.entries()) {
    above += (x - meanX) * (ys[i]! - meanY)
    below += (x - meanX) ** 2
  }
  return below === 0 ? 0 : above / below
}
