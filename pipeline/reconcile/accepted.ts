// Journals = what each connection has of them: by entity, currency, account and accounting day, split by how the deliveries
// stand. Which records have no delivery at all, deliveries.ts tells by their ids.

import type { ClickHouseClient } from '@clickhouse/client'
import { entityToken } from '../../schemas/identifiers.js'
import type { Feed } from '../deliver/feed.js'
import type { TakenUpTo } from './deliveries.js'
import { type AcceptedTotal, type Check, checkOf, type Difference, unreadableCheck } from './report.js'

const check = 'posted_accepted'
const claim =
  'what each connection has, delivered or not yet, is what was posted, by entity, currency, account and day'

/** The first subject of a feed of POSTINGS, up to the entity, tells which table has its entries. */
const tables = { postings: 'journal_entries', summaries: 'journal_summaries' } as const

export interface Accepted {
  readonly check: Check
  readonly totals: readonly AcceptedTotal[]
}

export async function checkAccepted(
  clickhouse: ClickHouseClient,
  taken: readonly TakenUpTo[],
): Promise<Accepted> {
  const differences: Difference[] = []
  const totals: AcceptedTotal[] = []
  let compared = 0
  try {
    for (const { feed, ofRecords, until } of taken) {
      if (feed.stream !== 'POSTINGS') continue
      const table = tables[feed.filterSubjects[0]?.startsWith('summaries.') ? 'summaries' : 'postings']
      const { connection } = ofRecords
      const source = { table, connection, until, entities: await entitiesOf(clickhouse, table, feed) }
      for (const row of await sumsOf(clickhouse, source, ['entity_id', 'currency', 'account'])) {
        const { entity_id, currency, account, debit, credit, accepted_debit, accepted_credit } = row
        const sums = { debit, credit, accepted_debit, accepted_credit }
        totals.push({ connection, entity_id, currency, account, ...sums })
        compared += 1
        if (row.lost !== '0') differences.push(...(await lostDays(clickhouse, source, row)))
      }
    }
    return { check: checkOf(check, claim, compared, differences), totals }
  } catch (error) {
    return { check: unreadableCheck(check, claim, error), totals: [] }
  }
}

/** The entities whose entries come to this feed. */
async function entitiesOf(clickhouse: ClickHouseClient, table: string, feed: Feed): Promise<string[]> {
  const query = `SELECT DISTINCT toString(entity_id) AS entity FROM ${table}`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow' })
  const all = (await answer.json<{ entity: string }>()).map(row => row.entity)
  return all.filter(entity =>
    feed.filterSubjects.some(subject => {
      const [, token = ''] = subject.split('.')
      return token === '>' || token === entityToken(entity)
    }),
  )
}

interface Source {
  readonly table: string
  readonly connection: string
  /** The sequence of POSTINGS up to which the connection has taken entries in. */
  readonly until: number
  readonly entities: readonly string[]
}

type GroupedBy = 'entity_id' | 'currency' | 'account' | 'accounting_date'

type Sums = Readonly<Record<GroupedBy, string>> & {
  readonly debit: string
  readonly credit: string
  readonly accepted_debit: string
  readonly accepted_credit: string
  readonly found_debit: string
  readonly found_credit: string
  /** Entries without a delivery. */
  readonly lost: string
}

async function sumsOf(
  clickhouse: ClickHouseClient,
  { table, ...query_params }: Source,
  by: readonly GroupedBy[],
): Promise<Sums[]> {
  const sum = (side: string, condition: string): string =>
    `toString(sumIf(toDecimal256(j.${side}, 12), ${condition}))`
  const isAccepted = "d.state IN ('posted', 'written')"
  const query = `SELECT ${by.map(name => `toString(j.${name}) AS by_${name}`).join(', ')},
      ${sum('debit', '1')} AS debits, ${sum('credit', '1')} AS credits,
      ${sum('debit', isAccepted)} AS accepted_debit, ${sum('credit', isAccepted)} AS accepted_credit,
      ${sum('debit', "d.state != ''")} AS found_debit, ${sum('credit', "d.state != ''")} AS found_credit,
      toString(uniqExactIf(j.journal_id, d.state = '')) AS lost
    FROM ${table} AS j
    LEFT JOIN (
      SELECT record_id, argMax(toString(deliveries.state), stream_sequence) AS state FROM deliveries
      WHERE connection = {connection: String} AND record_kind IN ('journal', 'release') GROUP BY record_id
    ) AS d ON d.record_id = j.journal_id
    WHERE j.stream_sequence <= {until: UInt64} AND j.entity_id IN {entities: Array(String)}
    GROUP BY ${by.map(name => `j.${name}`).join(', ')} ORDER BY ${by.map(name => `by_${name}`).join(', ')}`
  const answer = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
  return (await answer.json<Record<string, string>>()).map(row => ({
    ...(Object.fromEntries(by.map(name => [name, row[`by_${name}`]])) as Record<GroupedBy, string>),
    debit: row['debits'] ?? '',
    credit: row['credits'] ?? '',
    accepted_debit: row['accepted_debit'] ?? '',
    accepted_credit: row['accepted_credit'] ?? '',
    found_debit: row['found_debit'] ?? '',
    found_credit: row['found_credit'] ?? '',
    lost: row['lost'] ?? '',
  }))
}

/** The days of one account that miss deliveries. */
async function lostDays(
  clickhouse: ClickHouseClient,
  source: Source,
  { entity_id: entity, currency, account }: Sums,
): Promise<Difference[]> {
  const days = await sumsOf(clickhouse, { ...source, entities: [entity] }, [
    'currency',
    'account',
    'accounting_date',
  ])
  return days
    .filter(day => day.lost !== '0' && day.currency === currency && day.account === account)
    .map(day => ({
      id: [source.connection, entity, currency, account, day.accounting_date]
        .filter(one => one !== '')
        .join(' '),
      expected: `${day.debit} debit, ${day.credit} credit`,
      found: `${day.found_debit} debit, ${day.found_credit} credit`,
      detail: `${day.lost} entries without a delivery`,
    }))
}
