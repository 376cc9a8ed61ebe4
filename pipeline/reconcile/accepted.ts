// Journals and lines of batches = what each connection has of them: by entity, currency, account (or customer) and day, split
// by how the deliveries stand. What is held, refused or on its way is told in its own figures; a record without a delivery, and
// a delivery without a record, is a difference and named by its id.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamManager } from '@nats-io/jetstream'
import { formatScaled, parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import type { TakenUpTo } from './deliveries.js'
import { joinSettings, outcomesOf, type RecordTable, recordTableOf } from './record-tables.js'
import {
  type AcceptedTotal,
  type Check,
  checkOf,
  type Difference,
  mostDifferences,
  unreadableCheck,
} from './report.js'

const claims = {
  records_delivered: 'every journal and line that a connection took in has a delivery',
  posted_accepted:
    'what each connection has, delivered or not yet, is what was posted or billed, by entity, currency, account and day',
  deliveries_known: 'every delivery is of a journal, a summary or a line that was made',
} as const

export interface Accepted {
  readonly checks: readonly Check[]
  readonly totals: readonly AcceptedTotal[]
}

interface Source {
  readonly clickhouse: ClickHouseClient
  readonly jsm: JetStreamManager
}

export async function checkAccepted(source: Source, taken: readonly TakenUpTo[]): Promise<Accepted> {
  const { clickhouse } = source
  const totals: AcceptedTotal[] = []
  const [lost, days]: [Difference[], Difference[]] = [[], []]
  let [records, lostCount] = [0, 0]
  try {
    for (const one of taken) {
      const table = await recordTableOf(source, one)
      const ofConnection = await readAccepted(clickhouse, table, { by: ['account'] })
      totals.push(...ofConnection)
      const counted = await countRecords(clickhouse, table)
      records += counted.records
      lostCount += counted.lost
      if (counted.lost === 0) continue
      lost.push(...(await lostRecords(clickhouse, table)))
      days.push(...(await lostDays(clickhouse, table)))
    }
    return {
      totals,
      checks: [
        checkOf('records_delivered', claims.records_delivered, records, lost, lostCount),
        checkOf('posted_accepted', claims.posted_accepted, totals.length, days),
        await checkKnown(clickhouse),
      ],
    }
  } catch (error) {
    const names = ['records_delivered', 'posted_accepted', 'deliveries_known'] as const
    return { checks: names.map(name => unreadableCheck(name, claims[name], error)), totals: [] }
  }
}

export type AcceptedBy = 'account' | 'customer' | 'day'

export interface AcceptedAsk {
  /** Beside entity and currency. */
  readonly by: readonly AcceptedBy[]
  /** A condition on the table's own columns, with its parameters. */
  readonly where?: string
  readonly params?: Readonly<Record<string, unknown>>
  /** So many groups, behind so many. */
  readonly page?: { readonly limit: number; readonly offset: number }
}

/** The groups in their order. */
export async function readAccepted(
  clickhouse: ClickHouseClient,
  table: RecordTable,
  { by, where = '1', params = {}, page }: AcceptedAsk,
): Promise<AcceptedTotal[]> {
  const names = ['entity', 'of_currency', ...by]
  const keys = names.map(name => (name === 'day' ? 'toString(day)' : `toString(${name})`)).join(', ')
  const limits = page === undefined ? '' : `LIMIT ${page.limit} OFFSET ${page.offset}`
  const query = `SELECT [${keys}] AS named, groupArray(tuple(outcome, toString(records), toString(d), toString(c))) AS outcomes
    FROM
    (
      SELECT ${names.join(', ')}, outcome, uniqExact(record_id) AS records, sum(debits) AS d, sum(credits) AS c
      FROM (${outcomesOf(table, where)}) GROUP BY ${names.join(', ')}, outcome ORDER BY outcome
    )
    GROUP BY ${names.join(', ')} ORDER BY ${names.join(', ')} ${limits}`
  const query_params = { ...table.params, ...params }
  const answer = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params,
    clickhouse_settings: joinSettings,
  })
  return (await answer.json<GroupRow>()).map(row => totalOf(table.connection, names, row))
}

interface GroupRow {
  readonly named: readonly string[]
  readonly outcomes: readonly (readonly [outcome: string, records: string, debit: string, credit: string])[]
}

const accepted: ReadonlySet<string> = new Set(['posted', 'written'])

function totalOf(connection: string, names: readonly string[], { named, outcomes }: GroupRow): AcceptedTotal {
  const value = (name: string): string => named[names.indexOf(name)] ?? ''
  const sumOf = (side: 2 | 3, isWanted: (outcome: string) => boolean): string =>
    formatScaled(
      outcomes.filter(([outcome]) => isWanted(outcome)).reduce((sum, one) => sum + scaled(one[side]), 0n),
    )
  return {
    connection,
    entity_id: value('entity'),
    currency: value('of_currency'),
    account: value('account'),
    customer_id: value('customer'),
    day: value('day'),
    debit: sumOf(2, () => true),
    credit: sumOf(3, () => true),
    accepted_debit: sumOf(2, outcome => accepted.has(outcome)),
    accepted_credit: sumOf(3, outcome => accepted.has(outcome)),
    outcomes: outcomes.map(([outcome, records, debit, credit]) => ({
      outcome,
      records: Number(records),
      debit: formatScaled(scaled(debit)),
      credit: formatScaled(scaled(credit)),
    })),
  }
}

function scaled(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is no sum`)
  return parsed.value
}

async function countRecords(
  clickhouse: ClickHouseClient,
  table: RecordTable,
): Promise<{ readonly records: number; readonly lost: number }> {
  const query = `SELECT toUInt32(countIf(outcome != 'not_taken_in')) AS records, toUInt32(countIf(outcome = 'no_delivery')) AS lost
    FROM (SELECT record_id, any(outcome) AS outcome FROM (${outcomesOf(table)}) GROUP BY record_id)`
  const [row] = await rowsOf<{ records: number; lost: number }>(clickhouse, table, query)
  return row ?? { records: 0, lost: 0 }
}

async function lostRecords(clickhouse: ClickHouseClient, table: RecordTable): Promise<Difference[]> {
  const query = `SELECT any(kind) AS of_kind, record_id FROM (${outcomesOf(table)}) WHERE outcome = 'no_delivery'
    GROUP BY record_id ORDER BY min(sequence), record_id LIMIT ${mostDifferences}`
  const rows = await rowsOf<{ of_kind: string; record_id: string }>(clickhouse, table, query)
  return rows.map(({ of_kind: kind, record_id: id }) => ({
    id: `${table.connection}: ${kind} ${id}`,
    expected: 'a delivery',
    found: 'none',
  }))
}

/** The days of each account or customer on which records have no delivery, with the first ids. */
async function lostDays(clickhouse: ClickHouseClient, table: RecordTable): Promise<Difference[]> {
  const names = ['entity', 'of_currency', 'account', 'customer', 'day']
  const sums = (condition: string): string =>
    `concat(toString(sumIf(debits, ${condition})), ' debit, ', toString(sumIf(credits, ${condition})), ' credit')`
  const query = `SELECT [${names.map(name => `toString(${name})`).join(', ')}] AS named,
      ${sums('1')} AS expected, ${sums("outcome != 'no_delivery'")} AS found,
      groupUniqArrayIf(20)(record_id, outcome = 'no_delivery') AS ids, toString(uniqExactIf(record_id, outcome = 'no_delivery')) AS lost
    FROM (${outcomesOf(table)}) GROUP BY ${names.join(', ')} HAVING lost != '0' ORDER BY ${names.join(', ')} LIMIT ${mostDifferences}`
  const rows = await rowsOf<{
    named: string[]
    expected: string
    found: string
    ids: string[]
    lost: string
  }>(clickhouse, table, query)
  return rows.map(({ named, expected, found, ids, lost }) => ({
    id: [table.connection, ...named].filter(one => one !== '').join(' '),
    expected,
    found,
    detail: `${lost} without a delivery: ${ids.sort().join(', ')}`,
  }))
}

async function checkKnown(clickhouse: ClickHouseClient): Promise<Check> {
  const sides = `
    SELECT record_id, connection, toString(record_kind) AS kind, 0 AS is_made FROM deliveries WHERE record_kind IN ('journal', 'release', 'batch_line')
    UNION ALL SELECT journal_id, '', '', 1 FROM journal_entries
    UNION ALL SELECT journal_id, '', '', 1 FROM journal_summaries
    UNION ALL SELECT line_id, '', '', 1 FROM batch_lines`
  const grouped = `SELECT record_id, groupUniqArrayIf(toString(connection), is_made = 0) AS connections, anyIf(kind, is_made = 0) AS of_kind, max(is_made) AS made
    FROM (${sides}) GROUP BY record_id HAVING notEmpty(connections)`
  const answer = await clickhouse.query({
    query: `SELECT toUInt32(count()) AS compared, toUInt32(countIf(made = 0)) AS strays,
      groupArrayIf(${mostDifferences})(concat(arrayStringConcat(connections, ', '), ': ', of_kind, ' ', record_id), made = 0) AS ids FROM (${grouped})`,
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ compared: number; strays: number; ids: string[] }>()
  const { compared = 0, strays = 0, ids = [] } = row ?? {}
  const differences = ids.sort().map(id => ({ id, expected: 'a record', found: 'none' }))
  return checkOf('deliveries_known', claims.deliveries_known, compared, differences, strays)
}

async function rowsOf<R>(clickhouse: ClickHouseClient, { params }: RecordTable, query: string): Promise<R[]> {
  const answer = await clickhouse.query({
    query,
    format: 'JSONEachRow',
    query_params: params,
    clickhouse_settings: joinSettings,
  })
  return answer.json<R>()
}
