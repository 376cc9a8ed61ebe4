// Exceptions by group: how many, whose, since when, and how old. The money is summed beside it (exception-desk.ts).

import type { ClickHouseClient } from '@clickhouse/client'
import { columnOf, conditionOf, type ExceptionFilter } from './exception-filter.js'
import { type ExceptionSources, exceptionsQuery } from './exceptions-sql.js'
import type { GroupColumn, GroupRule } from './group-rules.js'
import { QueryParameters } from './query-parameters.js'
import { askRows, type Exception } from './read-exceptions.js'

export interface ExceptionGroup {
  /** In the order of the rule's columns. */
  readonly values: readonly string[]
  readonly count: number
  readonly customers: number
  readonly owners: readonly string[]
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly ageing: Ageing
}

export const ageBuckets = ['under_1_hour', 'under_1_day', 'under_7_days', 'under_30_days', 'older'] as const
export type Ageing = Readonly<Record<(typeof ageBuckets)[number], number>>

/** From the youngest on: an exception is in the first bucket whose bound is above its age. */
const boundsInSeconds = [3_600, 86_400, 7 * 86_400, 30 * 86_400] as const

/** Groups of one answer; the largest come first. */
export const maxGroups = 1_000

export async function readGroups(
  clickhouse: ClickHouseClient,
  sources: ExceptionSources,
  {
    filter,
    rule,
    nowMs,
  }: { readonly filter: ExceptionFilter; readonly rule: GroupRule; readonly nowMs: number },
): Promise<readonly ExceptionGroup[]> {
  const parameters = new QueryParameters()
  const all = exceptionsQuery(sources, parameters)
  const columns = rule.by.map(column => columnOf[column])
  const condition = conditionOf(filter, parameters)
  const age = `dateDiff('second', first_at, fromUnixTimestamp64Milli(${parameters.add('Int64', nowMs)}, 'UTC'))`
  const query = `SELECT [${columns.map(column => `toString(${column})`).join(', ')}] AS group_values, count() AS n,
  uniqExactIf(customer_id, customer_id != '') AS customers, arraySort(groupUniqArray(owner)) AS owners,
  toUnixTimestamp64Milli(min(first_at)) AS first_at_ms, toUnixTimestamp64Milli(max(last_at)) AS last_at_ms,
  [${bucketsOf(age).join(', ')}] AS ageing
FROM (${all}) WHERE ${condition}
GROUP BY group_values ORDER BY n DESC, group_values LIMIT ${parameters.add('UInt32', maxGroups)}`
  const rows = await askRows<GroupRow>(clickhouse, query, parameters)
  return rows.map(row => ({
    values: row.group_values,
    count: row.n,
    customers: row.customers,
    owners: row.owners,
    firstAtMs: row.first_at_ms,
    lastAtMs: row.last_at_ms,
    ageing: Object.fromEntries(ageBuckets.map((bucket, index) => [bucket, row.ageing[index] ?? 0])) as Ageing,
  }))
}

/** The values by which the rule groups this exception. */
export function groupValues(exception: Exception, { by }: GroupRule): readonly string[] {
  return by.map(column => valueIn(exception, column))
}

function valueIn(exception: Exception, column: GroupColumn): string {
  switch (column) {
    case 'kind':
      return exception.kind
    case 'code':
      return exception.code
    case 'type':
      return exception.eventType
    case 'meter':
      return exception.meter
    case 'field':
      return exception.pointer
    case 'meter_or_field':
      return exception.pointer === '' ? exception.meter : exception.pointer
    case 'receiver':
      return exception.receiver
    case 'source':
      return exception.eventSource
    case 'customer':
      return exception.customerId
    case 'owner':
      return exception.owner
    default:
      return column satisfies never
  }
}

function bucketsOf(age: string): string[] {
  return ageBuckets.map((_bucket, index) => {
    const [from, until] = [boundsInSeconds[index - 1], boundsInSeconds[index]]
    const bounds = [
      ...(from === undefined ? [] : [`${age} >= ${from}`]),
      ...(until === undefined ? [] : [`${age} < ${until}`]),
    ]
    return `countIf(${bounds.join(' AND ')})`
  })
}

interface GroupRow {
  readonly group_values: readonly string[]
  readonly n: number
  readonly customers: number
  readonly owners: readonly string[]
  readonly first_at_ms: number
  readonly last_at_ms: number
  readonly ageing: readonly number[]
}
