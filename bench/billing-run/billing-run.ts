// `weir bench billing-run`: one run of many subscriptions with ten charges each, on Weir as a user starts it, in processes of
// its own: from the request until the batches are published, then until they are posted, reconciled and read over HTTP.
// Invariant: it counts only when the batches that were read hold each charge once and add up to what month.ts says.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import { Agent, fetch, type RequestInit } from 'undici'
import { natsSubjects } from '../../pipeline/broker/topology.js'
import type { BenchOptions } from '../measure/context.js'
import { UsageMeter } from '../measure/process-usage.js'
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
/** A reconciliation of a million charges answers after minutes. */
const patient = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

export async function billingRun(options: BenchOptions): Promise<BillingRunReport> {
  const facts = factsOf('billing-run', options.seed)
  const weir = await SupervisedWeir.start({ env: { WEIR_PARTITIONS: String(partitions) } })
  try {
    await weir.ready()
    const { pid, nats_pid: nats = 0, clickhouse_pid: clickhouse = 0 } = weir.instance!
    const memory = new TreeMemory([pid, nats ?? 0, clickhouse ?? 0])
    const usage = new UsageMeter({ weir: pid, 'nats-server': nats ?? 0, clickhouse: clickhouse ?? 0 })
    const bench = new Bench(weir, options, memory)
    try {
      await bench.phase('subscriptions', () => bench.subscribe())
      usage.begin()
      const run = await bench.phase('batches published', () => bench.bill())
      const seconds = bench.phases.at(-1)!.seconds
      await bench.phase('posted and reconciled', () => bench.reconciled(options.customers + 1))
      await bench.phase('reconciled again', () => bench.reconciled(options.customers + 1))
      const differences = await bench.phase('read over HTTP', () => bench.read(run.billing_run_id))
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
  readonly #key: string
  readonly phases: Phase[] = []

  constructor(weir: SupervisedWeir, options: BenchOptions, memory: TreeMemory) {
    this.#weir = weir
    this.#options = options
    this.#memory = memory
    this.#key = readFileSync(join(weir.dataDir, 'api-key'), 'utf8').trim()
  }

  async phase<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const step = this.#options.progress.step(phase, 0)
    this.#memory.take()
    const begunMs = performance.now()
    const done = await work()
    const seconds = rounded((performance.now() - begunMs) / 1_000, 1)
    this.phases.push({ phase, seconds, ...this.#memory.take() })
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

  async bill(): Promise<Run> {
    const headers = { 'content-type': 'application/json' }
    let run = await this.#call<Run>('/v1/billing-runs', {
      ...{ method: 'POST', headers, body: JSON.stringify({ cutoff }) },
    })
    while (run.status === 'sealing') {
      await sleep(pollMs)
      run = await this.#call<Run>(`/v1/billing-runs/${run.billing_run_id}`)
    }
    return run
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

  async #call<T>(path: string, init: RequestInit = {}): Promise<T> {
    const headers = { ...init.headers, authorization: `Bearer ${this.#key}` }
    const answer = await fetch(`${this.#weir.url}${path}`, { ...init, headers, dispatcher: patient })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
}

function centsOf(amount: string): bigint {
  const [whole = '0', part = ''] = amount.split('.')
  return BigInt(`${whole}${part.padEnd(2, '0')}`)
}
