// The route behind `weir reconcile --days`: charges, batches and journals day by day; or, of one connection, what it has.

import { z } from 'zod'
import { feedOf } from '../deliver/feed.js'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, needs, readQuery } from '../gateway/route.js'
import { readAcceptedDays, readBooksDays } from './days.js'
import { isOfBooks, readTakenUpTo } from './deliveries.js'
import { findLags } from './lag.js'
import { openBillingRuns } from './open-runs.js'
import type { ReconcileOptions } from './reconcile.js'
import { recordTableOf } from './record-tables.js'
import { acceptedSchema } from './report-shape.js'
import { reconciliationTag } from './routes.js'

const count = z.int().min(0)
const decimal = z.string().describe('A decimal, exact')

const query = z.strictObject({
  from: z.iso.date().default('1970-01-01').describe('The first day'),
  until: z.iso.date().default('2299-12-31').describe('The last one, included'),
  connection: z.string().optional().describe('What this connection has, instead of the books themselves'),
  limit: z.coerce.number().int().min(1).max(10_000).default(1_000).describe('Rows in a page'),
  after: z
    .string()
    .regex(/^\d{1,9}$/)
    .default('0')
    .describe('`next_after` of the page before'),
})

const booksDaySchema = z.object({
  entity_id: z.string(),
  currency: z.string(),
  day: z.iso
    .date()
    .describe('The accounting date of the entries; of a charge without one, the last day billed'),
  charges: count,
  charged: decimal.describe('The rounded amounts of sealed charges'),
  batched: decimal.describe('Of the lines of batches'),
  posted: decimal.describe('Of the entries, with the sign of the charge'),
  different: count.describe('Charges of which these are not the same'),
  different_charges: z.array(z.string()).describe('The first 20 of them'),
})

export const daysSchema = z
  .object({
    connections: z.array(z.string()).describe('Those that can be asked for'),
    days: z.array(booksDaySchema).describe('Without `connection`'),
    accepted: z.array(acceptedSchema).describe('With `connection`, by account or customer, and day'),
    lagging: z.array(z.string()).describe('What is still behind, which may be the cause of differences'),
    next_after: z.string().nullable().describe('Null: there is no more'),
  })
  .meta({ id: 'ReconciliationDays' })
export type ReconciliationDays = z.infer<typeof daysSchema>

const example: ReconciliationDays = {
  connections: ['books'],
  days: [
    {
      entity_id: '',
      currency: 'USD',
      day: '2026-01-31',
      charges: 3,
      charged: '120.5',
      batched: '120.5',
      posted: '120.5',
      different: 0,
      different_charges: [],
    },
  ],
  accepted: [],
  lagging: [],
  next_after: null,
}

export type DaysParts = Pick<ReconcileOptions, 'clickhouse' | 'js' | 'jsm' | 'sinks' | 'runs' | 'feeds'>

export function daysRoute(parts: DaysParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/reconciliation/days',
    access: needs('read'),
    operationId: 'getReconciliationDays',
    tag: reconciliationTag,
    summary: 'Charges, batches, journals and connections day by day',
    description:
      'By entity, currency and accounting day: the sealed charges, the lines of batches and the entries, with the charges that ' +
      'differ. With `connection`: what it is to get by account (of entries) or customer (of lines) and day, and how that stands. ' +
      'A page at a time: ask again with `after` set to `next_after`.',
    query,
    responses: { 200: { description: 'A page of days.', schema: daysSchema, example } },
    problems: ['not_found'],
    handle: async call => ({ status: 200, body: await readDays(parts, readQuery(call, query)) }),
  }
}

export async function readDays(
  parts: DaysParts,
  { connection, after, ...dates }: z.output<typeof query>,
): Promise<ReconciliationDays> {
  const { clickhouse, jsm, sinks, runs, feeds } = parts
  const ask = { ...dates, offset: Number(after) }
  const ofConnections = feeds.filter(isOfBooks)
  const lagging = (await findLags(parts)).map(({ what }) => what)
  const connections = ofConnections.map(({ ofRecords }) => ofRecords!.connection)
  const pageOf = <R>(rows: readonly R[]): string | null =>
    rows.length < ask.limit ? null : String(ask.offset + ask.limit)
  if (connection === undefined) {
    const openRuns = await openBillingRuns(jsm, runs)
    const hasErp = (await sinks.get(feedOf(feeds, 'erp').key)) !== null
    const days = await readBooksDays(clickhouse, ask, { openRuns, hasErp })
    return { connections, days, accepted: [], lagging, next_after: pageOf(days) }
  }
  const wanted = ofConnections.filter(({ ofRecords }) => ofRecords?.connection === connection)
  const [taken] = await readTakenUpTo(wanted, sinks)
  if (taken === undefined) throw new Problem('not_found', `There is no connection ${connection}.`)
  const accepted = await readAcceptedDays(clickhouse, await recordTableOf({ clickhouse, jsm }, taken), ask)
  return { connections, days: [], accepted: [...accepted], lagging, next_after: pageOf(accepted) }
}
