// `weir bench billing-run`: one run of many subscriptions with ten charges each, on Weir as a user starts it, in processes of
// its own: from the request until all partitions have sealed, the batches are published, posted, reconciled and read over HTTP.
// Invariant: it counts only when the batches that were read hold each charge once and add up to what month.ts says.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { Agent, fetch, type RequestInit } from 'undici'
import { natsSubjects } from '../../pipeline/broker/topology.js'
import { recordedPosition } from '../../pipeline/deliver/delivered.js'
import { runKeys } from '../../schemas/billing/billing-run.js'
import type { BenchOptions } from '../measure/context.js'
import { cpuSecondsOf, UsageMeter } from '../measure/process-usage.js'
import {
  type BenchReport,
  type Difference,
  difference,
  factsOf,
  reportOf,
  rounded,
} from '../measure/report.js'
import { SupervisedWeir } from '../measure/supervised-weir.js'
import { type Peaks, TreeMemory } from './memory.js'
import {
  catalogMessage,
  centsPerSubscription,
  chargesPerSubscription,
  contentType,
  cutoff,
  entities,
  subscriptionMessages,
} from './month.js'

interface Phase extends Peaks {
  readonly phase: string
  readonly seconds: number
  /** Of all three processes. */
  readonly cpu_seconds: number
  /** Milliseconds, so that runs of several sizes tell how time grows. */
  readonly ms_per_charge: number
  readonly cpu_ms_per_charge: number
}

export interface BillingRunReport extends BenchReport {
  readonly subscriptions: number
  readonly batches: number
  /** MB of memory are peaks within the phase, without pages of files. */
  readonly phases: readonly Phase[]
}

interface Run {
  readonly billing_run_id: string
  readonly status: string
  readonly batches: { readonly published: number }
}

interface Report {
  readonly ok: boolean
  readonly partitions: readonly { readonly counts: { readonly received: number } }[]
}

interface Page {
  readonly batches: readonly {
    readonly currency: string
    readonly lines: readonly { readonly charge_id: string; readonly amount_rounded: string }[]
  }[]
  readonly next_after: string | null
}

const partitions = 4
const pollMs = 250
const unavailable = 503
/** What docs/billing-runs.md advises where memory is short. */
const ofLibrary = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' }
/** A reconciliation of a million charges answers after minutes. */
const patient = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

export async function billingRun(options: BenchOptions): Promise<BillingRunReport> {
  const facts = factsOf('billing-run', options.seed)
  const weir = await SupervisedWeir.start({ env: { WEIR_PARTITIONS: String(partitions), ...ofLibrary } })
  try {
    await weir.ready()
    const { pid, nats_pid: nats = 0, clickhouse_pid: clickhouse = 0 } = weir.instance!
    const pids = [pid, nats ?? 0, clickhouse ?? 0] as const
    const memory = new TreeMemory(pids)
    const usage = new UsageMeter({ weir: pid, 'nats-server': nats ?? 0, clickhouse: clickhouse ?? 0 })
    const bench = new Bench(weir, options, memory, pids)
    try {
      await bench.phase('subscriptions', () => bench.subscribe())
      usage.begin()
      const { billing_run_id: id } = await bench.phase('sealed', () => bench.sealed())
      const run = await bench.phase('batches published', () => bench.published(id))
      const seconds = bench.phases.slice(-2).reduce((sum, phase) => sum + phase.seconds, 0)
      await bench.phase('posted', () => bench.posted())
      await bench.phase('reconciled', () => bench.reconciled(options.customers + 1))
      await bench.phase('reconciled again', () => bench.reconciled(options.customers + 1))
      const differences = await bench.phase('read over HTTP', () => bench.read(id))
      differences.push(...difference('restarts of the process', 0, weir.unaskedExits))
      const events = options.customers * chargesPerSubscription
      return {
        ...reportOf(facts, { events, seconds, usage: usage.end(), differences }),
        subscriptions: options.customers,
        batches: run.batches.published,
        phases: bench.phases,
      }
    } finally {
      memory.stop()
    }
  } finally {
    await weir.stop()
  }
}

class Bench {
  readonly #weir: SupervisedWeir
  readonly #options: BenchOptions
  readonly #memory: TreeMemory
  readonly #pids: readonly number[]
  readonly #key: string
  readonly phases: Phase[] = []

  constructor(weir: SupervisedWeir, options: BenchOptions, memory: TreeMemory, pids: readonly number[]) {
    this.#weir = weir
    this.#options = options
    this.#memory = memory
    this.#pids = pids
    this.#key = readFileSync(join(weir.dataDir, 'api-key'), 'utf8').trim()
  }

  async phase<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const step = this.#options.progress.step(phase, 0)
    this.#memory.take()
    const begunMs = performance.now()
    const cpuBegun = this.#cpuSeconds()
    const done = await work()
    const ms = performance.now() - begunMs
    const cpuSeconds = this.#cpuSeconds() - cpuBegun
    const charges = this.#options.customers * chargesPerSubscription
    this.phases.push({
      phase,
      seconds: rounded(ms / 1_000, 1),
      cpu_seconds: rounded(cpuSeconds, 1),
      ms_per_charge: rounded(ms / charges, 3),
      cpu_ms_per_charge: rounded((cpuSeconds * 1_000) / charges, 3),
      ...this.#memory.take(),
    })
    step.done()
    return done
  }

  async subscribe(): Promise<void> {
    const { customers } = this.#options
    const nc = await connect(this.#weir.nats)
    try {
      const js = jetstream(nc)
      await js.publish(natsSubjects.catalog, catalogMessage)
      const type = headers()
      type.set('content-type', contentType)
      for (const { partition, text } of subscriptionMessages(customers, partitions))
        await js.publish(natsSubjects.gatewayLifecycle(partition), text, { headers: type })
    } finally {
      await nc.close()
    }
    await this.reconciled(customers + 1)
  }

  async sealed(): Promise<Run> {
    const headers = { 'content-type': 'application/json' }
    const run = await this.#call<Run>('/v1/billing-runs', {
      ...{ method: 'POST', headers, body: JSON.stringify({ cutoff }) },
    })
    const ends = Array.from({ length: partitions }, (_, at) => runKeys.end(run.billing_run_id, at))
    await this.#inBucket('weir_runs', async kv => {
      for (const end of ends) while ((await kv.get(end)) === null) await sleep(pollMs)
    })
    return run
  }

  published(runId: string): Promise<Run> {
    return this.#until(runId, ({ status }) => status !== 'sealing')
  }

  /** Until every batch has its journal entries. */
  posted(): Promise<void> {
    return this.#inBucket('weir_sinks', async (kv, nc) => {
      const { state } = await (await jetstreamManager(nc)).streams.info('BILLING')
      while ((await recordedPosition(kv, 'erp')) < state.last_seq) await sleep(pollMs)
    })
  }

  async #inBucket(bucket: string, work: (kv: KV, nc: NatsConnection) => Promise<void>): Promise<void> {
    const nc = await connect(this.#weir.nats)
    try {
      await work(await new Kvm(nc).open(bucket), nc)
    } finally {
      await nc.close()
    }
  }

  async #until(runId: string, isThere: (run: Run) => boolean): Promise<Run> {
    for (;;) {
      const run = await this.#call<Run>(`/v1/billing-runs/${runId}`)
      if (isThere(run)) return run
      await sleep(pollMs)
    }
  }

  /** Until everything agrees; what still lags does not. */
  async reconciled(received: number): Promise<void> {
    for (;;) {
      const report = await this.#call<Report>('/v1/reconciliation')
      const there = report.partitions.reduce((sum, { counts }) => sum + counts.received, 0)
      if (report.ok && there === received) return
      await sleep(pollMs)
    }
  }

  async read(runId: string): Promise<Difference[]> {
    const cents = new Map<string, bigint>()
    const charges = new Set<string>()
    let lines = 0
    for (let after: string | null = ''; after !== null; ) {
      const query: string = after === '' ? '' : `?after=${after}`
      const page: Page = await this.#call(`/v1/billing-runs/${runId}/batches${query}`)
      for (const { currency, lines: own } of page.batches) {
        lines += own.length
        for (const { charge_id, amount_rounded } of own) {
          charges.add(charge_id)
          cents.set(currency, (cents.get(currency) ?? 0n) + centsOf(amount_rounded))
        }
      }
      after = page.next_after
    }
    const { customers } = this.#options
    return [
      ...difference('lines', customers * chargesPerSubscription, lines),
      ...difference('charges', customers * chargesPerSubscription, charges.size),
      ...entities.flatMap(({ currency }, at) => {
        const own = BigInt(Math.ceil((customers - at) / entities.length))
        return difference(`cents of ${currency}`, own * centsPerSubscription, cents.get(currency) ?? 0n)
      }),
    ]
  }

  #cpuSeconds(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  }

  /** On a machine that is busy with other work a server may not answer in time; then it is asked again. */
  async #call<T>(path: string, init: RequestInit = {}): Promise<T> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#key}` }
    for (;;) {
      const answer = await fetch(`${this.#weir.url}${path}`, { ...init, headers, dispatcher: patient })
      if (answer.ok) return (await answer.json()) as T
      const text = await answer.text()
      if (answer.status !== unavailable) throw new Error(`${path}: ${answer.status} ${text}`)
      await sleep(pollMs)
    }
  }
}

function centsOf(amount: string): bigint {
  const [whole = '0', part = ''] = amount.split('.')
  return BigInt(`${whole}${part.padEnd(2, '0')}`)
}
