// What every benchmark is given, and the parts that several of them start: a fresh data directory, a fresh Weir, the
// subscriptions in it.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { natsSubjects } from '../../pipeline/broker/topology.js'
import { loadConfig, type WeirConfig } from '../../pipeline/config/config.js'
import { startWeir, type Weir } from '../../pipeline/main.js'
import { sections } from '../../pipeline/settings.js'
import type { Progress } from '../../pipeline/terminal/progress.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import { makeSubscriptions, type TrafficOptions } from '../workload/traffic.js'

export interface BenchOptions {
  readonly events: number
  readonly customers: number
  readonly seed: number
  /** Of the environment only how to find a nats-server: a benchmark never touches a system that is running. */
  readonly natsServer: string | undefined
  readonly log: Logger
  readonly progress: Progress
}

const partitions = 4
const settleDeadlineMs = 600_000

/** Everything as shipped but the data directory, on free ports. */
export function benchConfig(dataDir: string, options: BenchOptions): WeirConfig {
  const env = { WEIR_NATS_SERVER: options.natsServer }
  const flags = { data_dir: dataDir, 'http.port': 0, partitions }
  const loaded = loadConfig({ sections, env, flags })
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(problem => problem.message).join('\n'))
  return loaded.config
}

export function trafficOf(options: BenchOptions, nowMs: number, events = options.events): TrafficOptions {
  const { seed, customers } = options
  return { seed, events, customers, partitions, nowMs }
}

export async function inFreshDirectory<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'weir-bench-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A fresh Weir in which every customer of the traffic has a subscription, applied and delivered. */
export async function withWeir<T>(
  options: BenchOptions,
  traffic: TrafficOptions,
  work: (weir: Weir) => Promise<T>,
): Promise<T> {
  return inFreshDirectory(async dataDir => {
    const starting = options.progress.step('starting NATS JetStream, ClickHouse and the pipeline', 0)
    const { log, progress } = options
    const weir = await startWeir(benchConfig(dataDir, options), { log, onNotice: progress.notice })
    try {
      starting.done()
      await subscribe(weir, options, traffic)
      return await work(weir)
    } finally {
      await weir.drain()
    }
  })
}

export function countersOf(weir: Weir) {
  const all = weir.status().partitions.map(one => one.counters)
  const sum = (name: keyof NonNullable<(typeof all)[number]>) =>
    all.reduce((total, counters) => total + (counters?.[name] ?? 0), 0)
  return { received: sum('received'), applied: sum('applied') }
}

async function subscribe(weir: Weir, options: BenchOptions, traffic: TrafficOptions): Promise<void> {
  const { catalog, messages } = makeSubscriptions(traffic)
  const step = options.progress.step('subscriptions', traffic.customers)
  const nc = await connect(weir.nats)
  try {
    const js = jetstream(nc)
    await js.publish(natsSubjects.catalog, catalog)
    const contentType = headers()
    contentType.set('content-type', ndjsonType)
    for (const { partition, bytes } of messages)
      await js.publish(natsSubjects.gatewayLifecycle(partition), bytes, { headers: contentType })
  } finally {
    await nc.close()
  }
  const deadline = AbortSignal.timeout(settleDeadlineMs)
  for (let shown = 0; shown < traffic.customers + 1; await sleep(50)) {
    deadline.throwIfAborted()
    const { applied } = countersOf(weir)
    step.advance(applied - shown)
    shown = applied
  }
  await weir.delivered(deadline)
  step.done()
}
