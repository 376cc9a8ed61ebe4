// The deliverers of this process: one for each feed, each with its sink.

import { fileURLToPath } from 'node:url'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { recognise } from '../rating/recognition/recognise.js'
import { packageRoot } from '../schemas/package-root.js'
import { parseInstant } from '../schemas/time.js'
import type { ClickHouseConfig } from '../sinks/clickhouse/config.js'
import { insertsOfBilling, insertsOfPostings } from '../sinks/clickhouse/records.js'
import { ClickHouseSink } from '../sinks/clickhouse/sink.js'
import type { Sink } from '../sinks/sink.js'
import type { BillingRuns } from './billing/billing-runs.js'
import { createBillingSink, defaultLinesPerBatch } from './billing/billing-sink.js'
import type { WeirConfig } from './config/config.js'
import { type AppliedRange, Deliverer, type RefusedRecords } from './deliver/deliverer.js'
import type { DeliveryStatus } from './deliver/delivery-status.js'
import { type Feed, feeds } from './deliver/feeds.js'
import type { ForeignMessage } from './deliver/ledger-commits.js'
import { commitsUnderWayOf } from './ledger/commits-under-way.js'
import { ledgerTailOf } from './ledger/ledger-tail.js'
import { createErpSink } from './postings/postings-sink.js'

export interface DeliveryOptions {
  readonly config: WeirConfig
  readonly clickhouse: ClickHouseConfig
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The buckets `weir_sinks` and `weir_runs`. */
  readonly sinks: KV
  readonly runs: KV
  readonly billingRuns: BillingRuns
  readonly onChange: (status: DeliveryStatus) => void
  readonly onApplied: (applied: AppliedRange) => void
  readonly onRefused: (refused: RefusedRecords) => void
  readonly onForeign: (message: ForeignMessage) => void
}

export interface Delivery {
  /** The ledger to ClickHouse: what history waits for. */
  readonly ledger: Deliverer
  /** In the order in which they depend on one another: the ledger's, then `BILLING`'s, then `POSTINGS`'. */
  readonly all: readonly Deliverer[]
  /** Resolves when every sink has what its stream held, and what that led to in the next stream. */
  delivered(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** The mapping that ships with Weir, used until the configuration names another. */
const exampleAccounts = fileURLToPath(new URL('sinks/mapping/accounts.example.yaml', packageRoot))
const brokerTimeoutMs = 10_000

export function createDelivery(options: DeliveryOptions): Delivery {
  const { config, clickhouse, nc, js, jsm, runs, billingRuns } = options
  const intoClickHouse = {
    ledger: new ClickHouseSink(clickhouse),
    billing: new ClickHouseSink(clickhouse, insertsOfBilling),
    postings: new ClickHouseSink(clickhouse, insertsOfPostings),
  }
  const billing = createBillingSink({
    nc,
    js,
    runs,
    linesPerBatch: defaultLinesPerBatch,
    timeoutMs: brokerTimeoutMs,
  })
  const erp = createErpSink({
    nc,
    js,
    jsm,
    accountsFile: config.erp.accounts ?? exampleAccounts,
    ...(config.erp.csvDir === undefined ? {} : { csvDir: config.erp.csvDir }),
    recognise,
    cutoffNsOf: async runId => {
      const run = await billingRuns.get(runId)
      return run.kind === 'ok' ? parseInstant(run.value.cutoff) : undefined
    },
    timeoutMs: brokerTimeoutMs,
  })
  const { onChange, onApplied, onRefused, onForeign } = options
  const shared = { js, jsm, kv: options.sinks, onChange, onApplied, onRefused, onForeign }
  const deliverer = (feed: Feed, sink: Sink): Deliverer =>
    new Deliverer({ ...feed, ...shared, sink, authenticates: feed.stream === 'LEDGER' })
  const ledger = new Deliverer({
    ...feeds.clickhouse,
    ...shared,
    sink: intoClickHouse.ledger,
    authenticates: true,
    tail: ledgerTailOf(nc),
    underWay: commitsUnderWayOf(nc),
  })
  // A stage reads what the one before it writes.
  const stages = [
    { stream: 'LEDGER', deliverers: [ledger, deliverer(feeds.billing, billing)] },
    {
      stream: 'BILLING',
      deliverers: [deliverer(feeds.erp, erp), deliverer(feeds.clickhouseBilling, intoClickHouse.billing)],
    },
    { stream: 'POSTINGS', deliverers: [deliverer(feeds.clickhousePostings, intoClickHouse.postings)] },
  ]
  return {
    ledger,
    all: stages.flatMap(stage => stage.deliverers),
    async delivered(signal) {
      for (const { stream, deliverers } of stages) {
        const { state } = await jsm.streams.info(stream)
        await Promise.all(deliverers.map(one => one.waitUntilDelivered(state.last_seq, signal)))
      }
    },
    async close() {
      await Promise.all(Object.values(intoClickHouse).map(sink => sink.close()))
    },
  }
}
