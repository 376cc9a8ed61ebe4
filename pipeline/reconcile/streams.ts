// What the streams BILLING and POSTINGS hold against what ClickHouse has of them, by number: nothing missing or twice.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { billingRunProgressSchema } from '../../schemas/billing-run.js'
import { type Check, checkOf, skippedCheck } from './report.js'

const counts = [
  {
    check: 'billing_stream',
    stream: 'BILLING',
    sql: 'SELECT toInt32(uniqExact(batch_id)) AS n FROM billing_batches',
  },
  {
    check: 'postings_stream',
    stream: 'POSTINGS',
    sql: 'SELECT toInt32(uniqExact(journal_id)) AS n FROM journal_entries',
  },
] as const

export function checkStreams(jsm: JetStreamManager, clickhouse: ClickHouseClient): Promise<Check[]> {
  return Promise.all(
    counts.map(async ({ check, stream, sql }) => {
      const claim = `ClickHouse has every message of ${stream} once`
      const { state } = await jsm.streams.info(stream)
      if (state.first_seq > 1) return skippedCheck(check, claim, `${stream} begins at ${state.first_seq}`)
      const result = await clickhouse.query({ query: sql, format: 'JSONEachRow' })
      const [row] = await result.json<{ n: number }>()
      const found = row?.n ?? 0
      const difference = { id: stream, expected: String(state.messages), found: String(found) }
      return checkOf(check, claim, state.messages, found === state.messages ? [] : [difference])
    }),
  )
}

/** Billing runs whose batches are not all published yet: their charges are on the way. */
export async function openBillingRuns(runs: KV): Promise<string[]> {
  const ids: string[] = []
  for await (const key of await runs.keys('run.>')) ids.push(key.slice('run.'.length))
  const open = await Promise.all(ids.map(async id => ((await isBatched(runs, id)) ? undefined : id)))
  return open.filter(id => id !== undefined).sort()
}

async function isBatched(runs: KV, id: string): Promise<boolean> {
  const entry = await runs.get(`progress.${id}`)
  const progress = entry === null ? undefined : billingRunProgressSchema.safeParse(entry.json())
  return progress?.success === true && progress.data.batches !== undefined
}
