// Tax told = tax posted: of each tax that a tax engine told of, the lines in force against the entries in the books, by charge, tax code
// and jurisdiction; and each of those entries against itself.
//
// Told is what ClickHouse and the books have both taken in, up to a commit of each partition. What is on its way, and a tax that waits as
// an exception, is left out: it is posted in no part, or not yet as it was told last.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { taxStateKey, taxToken, taxTroubleKey } from '../../schemas/tax-trouble.js'
import { recordedPosition } from '../deliver/delivered.js'
import { type Feed, feedOf } from '../deliver/feed.js'
import { cutPartition, type PartitionCut } from './ledger-cut.js'
import { cutParameter } from './ledger-tables.js'
import {
  type Check,
  checkOf,
  type Difference,
  mostDifferences,
  skippedCheck,
  unreadableCheck,
} from './report.js'

export interface TaxSource {
  readonly clickhouse: ClickHouseClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The bucket `weir_taxes`. */
  readonly taxes: KV
  readonly feeds: readonly Feed[]
}

const check = 'taxes_posted'
const claim = 'every tax that was told and is no exception is posted once, as it was told last'
const booksFeed = 'taxes'
const tableFeed = 'clickhouse.postings'

const told = `
SELECT tax_id, sequence, event_time, event_source, event_id, status, lines
FROM tax_transactions AS t
WHERE status IN ('committed', 'adjusted', 'voided') AND t.ledger_sequence <= {cuts: Map(UInt32, UInt64)}[t.partition]
ORDER BY sequence DESC, event_time DESC, event_source DESC, event_id DESC LIMIT 1 BY tax_id`

/** Of a tax of which no line names a charge nothing is posted. */
const compared = `
SELECT tax AS id, toString(sum(told)) AS expected,
  concat(toString(sum(posted)), if(sum(unbalanced) = 0, '', concat(', and ', toString(sum(unbalanced)), ' entries do not balance'))) AS found,
  concat('charge ', charge, ', ', code, ' of ', place) AS detail, sum(told) = sum(posted) AND sum(unbalanced) = 0 AS same
FROM
(
  SELECT tax_id AS tax, JSONExtractString(one, 'charge_id') AS charge, JSONExtractString(one, 'tax_code') AS code,
    JSONExtractString(one, 'jurisdiction') AS place,
    toDecimal256(JSONExtractString(one, 'tax'), 12) AS told, toDecimal256(0, 12) AS posted, toUInt64(0) AS unbalanced
  FROM (${told}) ARRAY JOIN JSONExtractArrayRaw(lines) AS one
  WHERE status != 'voided' AND arrayExists(line -> JSONExtractString(line, 'charge_id') != '', JSONExtractArrayRaw(lines))
  UNION ALL
  SELECT tax_id, charge_id, tax_code, tax_jurisdiction, toDecimal256(0, 12), toDecimal256(credit, 12) - toDecimal256(debit, 12), toUInt64(0)
  FROM journal_entries WHERE entry_kind = 'tax' AND tax_id != ''
  UNION ALL
  SELECT max(tax_id), charge_id, max(tax_code), max(tax_jurisdiction), toDecimal256(0, 12), toDecimal256(0, 12),
    toUInt64(sum(toDecimal256(debit, 12)) != sum(toDecimal256(credit, 12)))
  FROM journal_entries WHERE entry_kind = 'tax' GROUP BY journal_id, charge_id HAVING max(tax_id) != ''
)
GROUP BY tax, charge, code, place`

interface Found extends Difference {
  /** The sequence of the state that is told. */
  readonly at: string
}

/** `cuts`: up to which commits ClickHouse has the ledger. */
export async function checkTaxes(source: TaxSource, cuts: readonly PartitionCut[]): Promise<Check> {
  const { clickhouse, sinks, feeds } = source
  const feed = feeds.find(({ key }) => key === booksFeed)
  if (feed === undefined || (await sinks.get(feed.key)) === null)
    return skippedCheck(check, claim, 'taxes are posted by no feed here')
  try {
    const query_params = { cuts: await takenByBoth(source, feed, cuts) }
    const rowsOf = async <R>(query: string): Promise<R[]> =>
      (await clickhouse.query({ query, format: 'JSONEachRow', query_params })).json<R>()
    const counts = `SELECT toUInt32(count()) AS compared, toUInt32(countIf(NOT same)) AS bad FROM (${compared})`
    const [count] = await rowsOf<{ compared: number; bad: number }>(counts)
    if (count === undefined) throw new Error('ClickHouse answered a count with no row')
    if (count.bad === 0) return checkOf(check, claim, count.compared, [])
    const rows = await rowsOf<Found>(
      `SELECT c.id AS id, expected, found, detail, toString(t.sequence) AS at
      FROM (SELECT * FROM (${compared}) WHERE NOT same ORDER BY id, detail LIMIT ${mostDifferences}) AS c LEFT JOIN (${told}) AS t ON t.tax_id = c.id
      ORDER BY id, detail`,
    )
    const standing = await withoutMoving(source, rows)
    const differences = standing.map(({ at: _, ...difference }) => difference)
    return checkOf(check, claim, count.compared, differences, count.bad - rows.length + standing.length)
  } catch (error) {
    return unreadableCheck(check, claim, error)
  }
}

/** Of each partition the commit that the feed of the books has taken in too. */
async function takenByBoth(
  { jsm, sinks }: TaxSource,
  feed: Feed,
  cuts: readonly PartitionCut[],
): Promise<Map<number, number>> {
  const ofTables = cutParameter(cuts)
  const ofBooks = await Promise.all(cuts.map(({ partition }) => cutPartition(jsm, sinks, feed, partition)))
  const books = cutParameter(ofBooks.filter(one => one !== undefined))
  return new Map(
    [...ofTables].map(([partition, commit]) => [partition, Math.min(commit, books.get(partition) ?? 0)]),
  )
}

/** Leaves out the taxes that are exceptions, that a later state has come of, or whose entries ClickHouse does not have yet. */
async function withoutMoving(
  { jsm, sinks, taxes, feeds }: TaxSource,
  rows: readonly Found[],
): Promise<Found[]> {
  const position = await recordedPosition(sinks, feedOf(feeds, tableFeed).key)
  const moving = new Map<string, boolean>()
  const isMoving = async ({ id, at }: Found): Promise<boolean> => {
    const trouble = await taxes.get(taxTroubleKey(id))
    if (trouble?.operation === 'PUT') return true
    const kept = await taxes.get(taxStateKey(id))
    const state = kept?.operation === 'PUT' ? z.object({ sequence: z.int() }).parse(kept.json()) : undefined
    if (state !== undefined && state.sequence > Number(at)) return true
    const subject = `taxes.*.${taxToken(id)}`
    for (const last_by_subj of [subject, `${subject}.>`]) {
      const last = await jsm.streams.getMessage('POSTINGS', { last_by_subj })
      if (last !== null && last.seq > position) return true
    }
    return false
  }
  for (const row of rows) if (!moving.has(row.id)) moving.set(row.id, await isMoving(row))
  return rows.filter(({ id }) => moving.get(id) === false)
}
