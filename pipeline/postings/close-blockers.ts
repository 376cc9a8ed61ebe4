// What keeps a period open: whatever belongs to it and is not settled. Each is named, up to a limit.
// Invariant: when it cannot be known whether something is settled, because a feed is behind, that itself keeps the period open.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import {
  billingRunProgressSchema,
  billingRunRecordSchema,
  runsBucket,
} from '../../schemas/billing/billing-run.js'
import { chargeFromWire } from '../../schemas/billing/charge.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import type { Feed, FeedStream } from '../deliver/feed.js'
import { isDiscarded, listSetAside } from '../deliver/refused-records.js'
import type { OpenBilling } from '../feature/open-billing.js'
import { type Book, bookSubjects } from './book.js'
import type { Blocker, BlockersOf, PeriodOfEntity } from './periods.js'
import { dueIn } from './releases.js'
import { notBilled } from './unbilled.js'

/** Of each kind so many are named. */
const mostNamed = 100
/** Deliveries that are read at once; of them those that were discarded are left out. */
const mostRead = 1_000

export interface BlockerSources {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly buckets: { readonly sinks: KV; readonly runs: KV }
  readonly clickhouse: ClickHouseClient
  readonly feeds: readonly Feed[]
  readonly isApplied: (feed: string, sequence: number) => Promise<boolean>
  readonly openBilling: OpenBilling
  readonly nowMs: () => number
}

export function closeBlockers(sources: BlockerSources): BlockersOf {
  return async request => {
    const { period, book } = request
    const behind = await feedsBehind(sources)
    const found = await Promise.all([
      notBilled(sources, request),
      runsUnderWay(sources, period),
      notAcknowledged(sources, period),
      releasesDue(sources, period, book),
      linesSetAside(sources, period),
      rowsSetAside(sources),
      deliveriesOpen(sources, period),
    ])
    return [...behind, ...found.flat()]
  }
}

/** Feeds through which something could still come to the period, or that tell of its deliveries. */
async function feedsBehind({ jsm, feeds, isApplied }: BlockerSources): Promise<Blocker[]> {
  const blockers: Blocker[] = []
  const streams: readonly FeedStream[] = ['BILLING', 'CONTROL', 'POSTINGS', 'DELIVERIES']
  for (const stream of streams) {
    const { state } = await jsm.streams.info(stream)
    for (const { key, stream: of } of feeds)
      if (of === stream && !(await isApplied(key, state.last_seq)))
        blockers.push({ kind: 'behind', id: key, detail: `the feed ${key} has not taken all of ${stream}` })
  }
  return blockers
}

async function releasesDue(
  { js, jsm }: BlockerSources,
  { last }: PeriodOfEntity,
  book: Book,
): Promise<Blocker[]> {
  const { pending, ...release } = book.release
  if (pending !== undefined)
    return [{ kind: 'release', id: pending.id, detail: `the order ${pending.id} is posted in part` }]
  const newest = await jsm.streams.getMessage('POSTINGS', {
    last_by_subj: bookSubjects.schedules(book.token),
  })
  if (newest === null) return []
  const end = { until: last > release.until ? last : release.until, up_to: newest.seq }
  const blockers: Blocker[] = []
  const signal = new AbortController().signal
  for await (const due of dueIn({ js, jsm }, { token: book.token, release }, end, signal)) {
    if (due.accounting_date > last) continue
    const detail = `part ${due.releases?.part} of ${due.releases?.journal_id} was earned by ${due.accounting_date}: weir releases create --until ${last}`
    blockers.push({ kind: 'release', id: due.journal_id, detail })
    if (blockers.length === mostNamed) break
  }
  return blockers
}

async function linesSetAside(
  { buckets }: BlockerSources,
  { entityId, first, last }: PeriodOfEntity,
): Promise<Blocker[]> {
  const records = await listSetAside(buckets.sinks, 'erp')
  return records
    .filter(record => {
      const charge = chargeFromWire(jsonOf(record.content))
      if (charge.kind === 'rejected') return true // nobody knows where it belongs
      const { entityId: of, fromNs, untilNs } = charge.value
      const [from, until] = [dayOf(fromNs), dayOf(untilNs)]
      // An adjustment is booked by the cutoff of its run, which may be long after its service period.
      return of === entityId && from <= last && (until >= first || charge.value.kind === 'adjustment')
    })
    .slice(0, mostNamed)
    .map(({ name, code, detail }) => ({ kind: 'set_aside', id: name, detail: `${code}: ${detail}` }))
}

/** Rows of entries and deliveries that a table refused: without them it is not known what is settled. */
async function rowsSetAside({ buckets, feeds }: BlockerSources): Promise<Blocker[]> {
  const telling = feeds.filter(
    ({ stream, ofRecords }) => (stream === 'POSTINGS' || stream === 'DELIVERIES') && ofRecords === undefined,
  )
  const records = await Promise.all(telling.map(({ key }) => listSetAside(buckets.sinks, key)))
  return records
    .flat()
    .slice(0, mostNamed)
    .map(({ feed, name, code, detail }) => ({
      kind: 'set_aside',
      id: name,
      detail: `${feed}: ${code}: ${detail}`,
    }))
}

/** In UTC; the day of a time zone is at most one beside it. */
function dayOf(instantNs: bigint): string {
  return new Date(Number(instantNs / 1_000_000n)).toISOString().slice(0, 10)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function runsUnderWay(
  { jsm, buckets }: BlockerSources,
  { entityId, first }: PeriodOfEntity,
): Promise<Blocker[]> {
  const blockers: Blocker[] = []
  for (const key of await bucketKeys(jsm, runsBucket, 'run.*')) {
    const entry = await buckets.runs.get(key)
    const record = entry === null ? undefined : billingRunRecordSchema.parse(entry.json())
    if (record === undefined || record.preview || record.cutoff < first) continue
    if (record.entity_id !== null && record.entity_id !== entityId) continue
    const id = record.billing_run_id
    const told = await buckets.runs.get(`progress.${id}`)
    const batches = told === null ? undefined : billingRunProgressSchema.parse(told.json()).batches
    if (batches === undefined) {
      blockers.push({ kind: 'billing_run', id, detail: `its batches are not published yet` })
    }
    for (const { batch_id, entity_id, held } of batches ?? []) {
      if (held?.state !== 'waiting' || entity_id !== entityId) continue
      const detail = `of ${id}, waits for a second person: weir approvals show ${held.approval_id}`
      blockers.push({ kind: 'held_batch', id: batch_id, detail })
    }
  }
  return blockers.slice(0, mostNamed)
}

/** Batches whose lines are booked in the period, where batches are acknowledged at all. */
async function notAcknowledged(
  { clickhouse, openBilling }: BlockerSources,
  { entityId, name }: PeriodOfEntity,
): Promise<Blocker[]> {
  const result = await clickhouse.query({
    query: `SELECT DISTINCT billing_run_id AS runId, batch_id AS batchId FROM journal_entries
    WHERE entity_id = {entity: String} AND accounting_period = {period: String} AND entry_kind IN ('', 'journal')
    ORDER BY runId, batchId`,
    query_params: { entity: entityId, period: name },
    format: 'JSONEachRow',
  })
  const waiting = await openBilling.unacknowledged(await result.json<{ runId: string; batchId: string }>())
  return waiting.slice(0, mostNamed).map(({ runId, batchId }) => {
    const detail = `of ${runId}, nobody has acknowledged it: POST /v1/billing-runs/${runId}/batches/${batchId}/ack`
    return { kind: 'unacknowledged', id: batchId, detail }
  })
}

/**
 * What a connection has not settled of the period's entries and summaries, and of the billing lines behind them. What was refused and
 * then discarded is settled: somebody has decided that it does not go.
 */
async function deliveriesOpen(
  { clickhouse, buckets, feeds }: BlockerSources,
  { entityId, name }: PeriodOfEntity,
): Promise<Blocker[]> {
  const ofPeriod = 'entity_id = {entity: String} AND accounting_period = {period: String}'
  const query = `SELECT concat(connection, ': ', record_kind, ' ', record_id) AS id, connection, delivery_id, toString(state) AS is,
      concat(is, if(code = '', '', concat(' (', code, ': ', detail, ')'))) AS detail
    FROM deliveries_latest
    WHERE state IN ('waiting', 'sending', 'unclear', 'refused', 'held') AND record_id IN
    (
      SELECT journal_id FROM journal_entries WHERE ${ofPeriod}
      UNION ALL
      SELECT journal_id FROM journal_summaries WHERE ${ofPeriod}
      UNION ALL
      SELECT ${batchLineId} FROM journal_entries WHERE ${ofPeriod} AND line = 1 AND entry_kind IN ('', 'journal')
    )
    ORDER BY id LIMIT {most: UInt32} OFFSET {from: UInt32}`
  const connections = new Set(feeds.map(({ ofRecords }) => ofRecords?.connection))
  const blockers: Blocker[] = []
  for (let from = 0; ; from += mostRead) {
    const query_params = { entity: entityId, period: name, most: mostRead, from }
    const result = await clickhouse.query({ query, query_params, format: 'JSONEachRow' })
    const rows = await result.json<OpenDeliveryRow>()
    for (const { id, connection, delivery_id, is, detail } of rows) {
      if (is === 'refused' && (await isDiscarded(buckets.sinks, `connection.${connection}`, delivery_id)))
        continue
      const next = connections.has(connection)
        ? `weir deliveries show ${delivery_id}`
        : `no connection ${connection} is configured; it goes on when there is one again`
      blockers.push({ kind: 'delivery', id, detail: `${detail}: ${next}` })
      if (blockers.length === mostNamed) return blockers
    }
    if (rows.length < mostRead) return blockers
  }
}

interface OpenDeliveryRow {
  readonly id: string
  readonly connection: string
  readonly delivery_id: string
  readonly is: string
  readonly detail: string
}

/** `stableId('bl', batch, charge)`, the id of a batch's line as a record of a connection. */
const batchLineId =
  "concat('bl_', substring(lower(hex(SHA256(concat(toString(length(batch_id)), ':', batch_id, toString(length(charge_id)), ':', charge_id)))), 1, 32))"
