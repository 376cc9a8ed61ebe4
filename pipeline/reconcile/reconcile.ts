// The reconciliation: checks the conservation law, and ingest = rated = owed = billed = posted = ClickHouse.
// It only reads, and may run while the pipeline works: commits bound the rows that are compared. It waits for
// lagging partitions and feeds up to a limit, and then names those that still lag.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { notBilled } from '../../schemas/billing/not-billed.js'
import { keptRuns } from '../broker/kept-runs.js'
import { type Feed, feedOf } from '../deliver/feed.js'
import { checkAccepted } from './accepted.js'
import { checkArrivals } from './arrivals.js'
import { checkParts } from './clickhouse-parts.js'
import { checkConservation } from './conservation.js'
import { countDeliveries, readTakenUpTo } from './deliveries.js'
import { findLags, readPartitions } from './lag.js'
import { cutPartition } from './ledger-cut.js'
import { checkLedgerTables } from './ledger-tables.js'
import { checkMoney, readTotals } from './money.js'
import { openBillingRuns } from './open-runs.js'
import { checkOwed } from './owed-rated.js'
import type { Lag, ReconcileReport } from './report.js'
import { isTrouble } from './report.js'
import { checkSetAside } from './set-aside.js'
import { checkPartitions } from './stopped.js'
import { checkStreamTables } from './stream-tables.js'
import { checkTaxes } from './taxes.js'

export interface ReconcileOptions {
  /** The session database is Weir's. */
  readonly clickhouse: ClickHouseClient
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The bucket `weir_runs`. */
  readonly runs: KV
  /** The bucket `weir_taxes`. */
  readonly taxes: KV
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
  /** How long to wait for lagging partitions and feeds. Default 10 s. */
  readonly waitMs?: number
  readonly signal?: AbortSignal
  /** Stopped partitions, each with the reason; absent when this is not known. */
  readonly stopped?: () => ReadonlyMap<number, string>
}

export async function reconcile(options: ReconcileOptions): Promise<ReconcileReport> {
  const { clickhouse, nc, js, jsm, sinks, runs, taxes, feeds } = options
  const startedMs = performance.now()
  const openRuns = await openBillingRuns(jsm, runs) // before the wait: what is batched since then is not yet compared
  const taken = await readTakenUpTo(feeds, sinks)
  const lagging = await waitForLags(options)
  const waitedMs = Math.round(performance.now() - startedMs)
  const readings = await readPartitions(jsm)
  const readable = readings.filter(one => one.kind === 'checkpoint').map(one => one.partition)
  const ledger = feedOf(feeds, 'clickhouse')
  const cut = await Promise.all(readable.map(one => cutPartition(jsm, sinks, ledger, one)))
  const cuts = cut.filter(one => one !== undefined)
  const lost = readings.filter(one => one.kind === 'lost').map(one => one.partition)
  const conservation = await checkConservation(
    clickhouse,
    cuts.map(({ cut, newest }) => cut?.checkpoint ?? newest),
  )
  const hasErp = (await sinks.get(feedOf(feeds, 'erp').key)) !== null
  const { totals, checks: unread } = await readTotals(clickhouse)
  const accepted = await checkAccepted({ clickhouse, jsm }, taken)
  const arrivals = await checkArrivals({ clickhouse, js, jsm, sinks, feeds })
  const checks = [
    await checkPartitions(jsm, options.stopped?.() ?? new Map()),
    ...conservation.checks,
    ...(await checkLedgerTables({ clickhouse, js, jsm }, cuts, lost)),
    await checkOwed({ clickhouse, js, jsm }, nc, cuts),
    ...(await checkStreamTables({ clickhouse, js, jsm, sinks, feeds })),
    ...accepted.checks,
    arrivals.check,
    ...(await checkMoney(clickhouse, { openRuns, hasErp })),
    await checkTaxes({ clickhouse, jsm, sinks, taxes, feeds }, cuts),
    await checkParts(clickhouse),
    await checkSetAside(sinks),
    ...unread,
  ]
  return {
    ok: !checks.some(isTrouble),
    checked_at: new Date().toISOString(),
    caught_up: lagging.length === 0,
    waited_ms: waitedMs,
    lagging,
    partitions: conservation.partitions,
    totals,
    not_billed: notBilled(await keptRuns(jsm, runs)),
    deliveries: await countDeliveries(clickhouse),
    accepted: accepted.totals,
    arrivals: arrivals.totals,
    checks,
  }
}

/**
 * The number of stages from an event to its posting; waiting for one stage may give the next one more work.
 */
const stages = 4

/**
 * Waits, stage after stage, for the positions that the streams had when they were read, not for later
 * messages. Returns the lags that were not made up in time.
 */
export async function waitForLags(options: ReconcileOptions): Promise<Lag[]> {
  const deadlineMs = performance.now() + (options.waitMs ?? 10_000)
  for (let stage = 0; stage < stages; stage += 1) {
    const wanted = await findLags(options)
    if (wanted.length === 0) break
    const missed = await waitFor(wanted, options, deadlineMs)
    if (missed.length > 0) return missed
  }
  return []
}

async function waitFor(
  wanted: readonly Lag[],
  { jsm, sinks, feeds, signal }: ReconcileOptions,
  deadlineMs: number,
): Promise<Lag[]> {
  let missed = [...wanted]
  while (missed.length > 0 && performance.now() < deadlineMs) {
    await sleep(100)
    signal?.throwIfAborted()
    const now = new Map((await findLags({ jsm, sinks, feeds })).map(lag => [lag.what, lag.position]))
    missed = missed.filter(({ what, last }) => (now.get(what) ?? last) < last)
  }
  return missed
}
