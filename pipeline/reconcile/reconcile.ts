// Holds the whole pipeline against itself: the conservation law, and ingest = rated = billed = posted = ClickHouse.
// It only reads, and may run at any time beside a working pipeline: what is compared is bounded by commits, and what is
// still on its way is waited for, up to a limit, and then named.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { feeds } from '../deliver/feeds.js'
import { checkConservation } from './conservation.js'
import { findLags, readCheckpoints } from './lag.js'
import { checkMoney, readTotals } from './money.js'
import type { Lag, ReconcileReport } from './report.js'
import { checkPartitions } from './stopped.js'
import { checkStreams, openBillingRuns } from './streams.js'

export interface ReconcileOptions {
  /** Its session database is ours. */
  readonly clickhouse: ClickHouseClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The bucket `weir_runs`. */
  readonly runs: KV
  /** How long to wait for what lags. Default 10 s. */
  readonly waitMs?: number
  readonly signal?: AbortSignal
  /** Partitions that have stopped, and why, where that is known. */
  readonly stopped?: () => ReadonlyMap<number, string>
}

export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const { clickhouse, jsm, sinks, runs } = options
  const startedMs = performance.now()
  const lagging = await waitForLags(options)
  const waitedMs = Math.round(performance.now() - startedMs)
  const { checks, partitions } = await checkConservation(clickhouse, await readCheckpoints(jsm))
  const openRuns = await openBillingRuns(runs)
  const hasErp = (await sinks.get(feeds.erp.key)) !== null
  const all = [
    await checkPartitions(jsm, options.stopped?.() ?? new Map()),
    ...checks,
    ...(await checkMoney(clickhouse, { openRuns, hasErp })),
    ...(await checkStreams(jsm, clickhouse)),
  ]
  return {
    ok: all.every(check => check.ok),
    checked_at: new Date().toISOString(),
    caught_up: lagging.length === 0,
    waited_ms: waitedMs,
    lagging,
    partitions,
    totals: await readTotals(clickhouse),
    checks: all,
  }
}

async function waitForLags({ jsm, sinks, waitMs, signal }: ReconcileOptions): Promise<Lag[]> {
  const deadlineMs = performance.now() + (waitMs ?? 10_000)
  for (;;) {
    const lags = await findLags({ jsm, sinks })
    signal?.throwIfAborted()
    if (lags.length === 0 || performance.now() >= deadlineMs) return lags
    await sleep(100)
  }
}
