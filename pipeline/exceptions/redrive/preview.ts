// What a redrive is about, before it begins: how many exceptions, of which groups and customers, and examples of events
// before and after.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import type { ExceptionDesk } from '../exception-desk.js'
import { conditionOf, type ExceptionFilter } from '../exception-filter.js'
import { exceptionsQuery } from '../exceptions-sql.js'
import { groupKeyText } from '../group-rules.js'
import { QueryParameters } from '../query-parameters.js'
import { askRows } from '../read-exceptions.js'
import { byCause, grouped, groupOf } from './group-of.js'
import type { PayloadAccess } from './kept-payloads.js'
import type { Mender } from './mend-event.js'
import { mendAll } from './redrive-job.js'
import type { Transform } from './transform.js'

export const previewSchema = z
  .object({
    count: z.int().nonnegative().describe('Exceptions that the filter takes'),
    customers: z.int().nonnegative(),
    groups: z.array(
      z.object({
        group: z.string().describe('Its key: give it as `group` of a filter'),
        count: z.int().nonnegative(),
        customers: z.int().nonnegative(),
      }),
    ),
    examples: z.array(
      z.object({
        exception_id: z.string(),
        group: z.string(),
        before: z.unknown().describe('The event as it came; null: it is left alone'),
        after: z.unknown().describe('As it would be sent; null: it is left alone'),
        left: z.object({ code: z.string(), detail: z.string() }).nullable().describe('Why it is left alone'),
      }),
    ),
  })
  .meta({ id: 'RedrivePreview' })
export type RedrivePreview = z.infer<typeof previewSchema>

/** Exceptions that are looked at for examples, and examples of each group. */
const lookedAt = 100
const examplesOfGroup = 2
const mostGroups = 200

export async function previewOf(
  parts: PayloadAccess & { readonly desk: ExceptionDesk },
  filter: ExceptionFilter,
  transform: Transform,
  mender: Mender,
): Promise<RedrivePreview> {
  const groups = await groupsOf(parts.queries, parts.desk, filter)
  const page = await parts.desk.page({ filter, limit: lookedAt, withPayload: true })
  const { redriven, left } = await mendAll(parts, page, transform, mender)
  const examples = [
    ...redriven.map(({ exception, before, after }) => ({ exception, before, after, left: null })),
    ...left.map(({ exception, code, detail }) => ({
      exception,
      before: null,
      after: null,
      left: { code, detail },
    })),
  ].map(({ exception, ...rest }) => ({
    exception_id: exception.exceptionId,
    group: groupOf(exception),
    ...rest,
  }))
  const ofGroup = grouped(examples, one => `${one.left?.code ?? ''} ${one.group}`)
  return {
    ...groups,
    examples: [...ofGroup.values()].flatMap(all => all.slice(0, examplesOfGroup)),
  }
}

interface GroupRow {
  readonly kind: string
  readonly code: string
  readonly event_type: string
  readonly meter_or_field: string
  readonly receiver: string
  readonly exceptions: number
  readonly customers: number
}

async function groupsOf(
  queries: ClickHouseClient,
  desk: ExceptionDesk,
  filter: ExceptionFilter,
): Promise<Omit<RedrivePreview, 'examples'>> {
  const sources = await desk.sources()
  const ask = <T>(columns: string, rest: string): Promise<T[]> => {
    const parameters = new QueryParameters()
    const all = exceptionsQuery(sources, parameters)
    const query = `SELECT ${columns}, count() AS exceptions, uniqExact(customer_id) AS customers FROM (${all})
WHERE ${conditionOf(filter, parameters)} ${rest}`
    return askRows<T>(queries, query, parameters)
  }
  const by = 'kind, code, event_type, meter_or_field, receiver'
  const [totals, rows] = await Promise.all([
    ask<Pick<GroupRow, 'exceptions' | 'customers'>>('0 AS all', ''),
    ask<GroupRow>(by, `GROUP BY ${by} ORDER BY exceptions DESC, ${by} LIMIT ${mostGroups}`),
  ])
  return {
    count: totals[0]?.exceptions ?? 0,
    customers: totals[0]?.customers ?? 0,
    groups: rows.map(row => ({ group: causeKey(row), count: row.exceptions, customers: row.customers })),
  }
}

function causeKey({ kind, code, event_type, meter_or_field, receiver }: GroupRow): string {
  return groupKeyText({ rule: byCause, values: [kind, code, event_type, meter_or_field, receiver] })
}
