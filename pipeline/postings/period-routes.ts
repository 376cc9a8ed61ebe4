// The routes behind `weir periods`.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import {
  type AccountingPeriod,
  calendarOf,
  lastDayOverAt,
  periodNamed,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import { nsOf } from '../../schemas/time.js'
import { type ApiReply, type ApiRoute, jsonBody, needs, readJson, readQuery } from '../gateway/route.js'
import { blockerKinds, type Periods } from './periods.js'
import { booksTag } from './release-routes.js'

const periodSchema = z
  .object({
    entity_id: z.string(),
    period: z.string(),
    first: z.string().describe('First day'),
    last: z.string().describe('Last day'),
    state: z.enum(['open', 'closed']),
    closed_at: z.string().nullable(),
    closed_by: z.object({ key_id: z.string(), name: z.string() }).nullable(),
    over: z.boolean().describe('Its last day is over in the time zone of the entity'),
    last_change: z
      .object({
        act: z.enum(['closed', 'reopened']),
        at: z.string(),
        by: z.object({ key_id: z.string(), name: z.string() }).nullable(),
        reason: z.string().nullable().describe('Why it was reopened'),
      })
      .nullable()
      .describe('Null: it was never closed'),
    entries: z.int().describe('In ClickHouse now'),
    moved_in: z.int().describe('Entries of them that belong to a period that was closed'),
  })
  .meta({ id: 'AccountingPeriod' })
type PeriodWire = z.infer<typeof periodSchema>

const blockerSchema = z
  .object({
    kind: z.enum(blockerKinds),
    id: z.string(),
    detail: z.string(),
  })
  .meta({ id: 'PeriodBlocker' })

const closed: PeriodWire = {
  entity_id: 'de',
  period: '2026-10',
  first: '2026-10-01',
  last: '2026-10-31',
  state: 'closed',
  closed_at: '2026-11-03T09:00:00.000Z',
  closed_by: { key_id: '0123456789ab', name: 'finance' },
  over: true,
  last_change: {
    act: 'closed',
    at: '2026-11-03T09:00:00.000Z',
    by: { key_id: '0123456789ab', name: 'finance' },
    reason: null,
  },
  entries: 12,
  moved_in: 0,
}
const blockers = [
  { kind: 'delivery', id: 'erp: journal je_1', detail: 'unclear (no_answer: timed out)' },
] satisfies z.input<typeof blockerSchema>[]

const listQuery = z.object({ entity_id: z.string().optional().describe('Of this entity alone') })
const closeBody = z
  .strictObject({
    entity_id: z.string().describe('Empty: the books of what has no entity'),
    period: z.string().min(1),
    preview: z.boolean().default(false).describe('Say what would keep it open, and close nothing'),
  })
  .meta({ id: 'ClosePeriod' })
const reopenBody = z
  .strictObject({
    entity_id: z.string(),
    period: z.string().min(1),
    reason: z.string().trim().min(1).max(2_000).describe('Why it has to be opened again'),
  })
  .meta({ id: 'ReopenPeriod' })
const closeAnswer = z.object({
  entity_id: z.string(),
  period: z.string(),
  state: z.enum(['open', 'closed']),
  over: z.boolean().describe('Its last day is over: before that it is not closed, whatever keeps it open'),
  blockers: z.array(blockerSchema),
})

export interface PeriodRouteParts {
  readonly periods: Periods
  readonly clickhouse: ClickHouseClient
}

export function periodRoutes(parts: PeriodRouteParts): readonly ApiRoute[] {
  return [listRoute(parts), closeRoute(parts.periods), reopenRoute(parts.periods)]
}

function listRoute({ periods, clickhouse }: PeriodRouteParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/periods',
    access: needs('read', 'billing'),
    operationId: 'listPeriods',
    tag: booksTag,
    summary: 'The periods of the books',
    description:
      'Those that have entries, those of a list in the calendar, and those that are closed, by entity and time.',
    query: listQuery,
    responses: {
      200: {
        description: 'The periods.',
        schema: z.object({ periods: z.array(periodSchema) }),
        example: { periods: [closed] },
      },
    },
    problems: ['invalid_accounting_calendar'],
    async handle(call): Promise<ApiReply> {
      const { entity_id: only } = readQuery(call, listQuery)
      const all = await periodsOf(periods, clickhouse)
      return {
        status: 200,
        body: { periods: all.filter(one => only === undefined || one.entity_id === only) },
      }
    },
  }
}

async function periodsOf(periods: Periods, clickhouse: ClickHouseClient): Promise<PeriodWire[]> {
  const calendars = await periods.calendars()
  const nowNs = nsOf(periods.nowMs())
  const found = new Map<string, PeriodWire>()
  const add = (entityId: string, period: AccountingPeriod | undefined, more: Partial<PeriodWire>): void => {
    if (period === undefined) return // of a calendar that was changed since
    const { name, first, last } = period
    const key = `${entityId} ${first}`
    const none = { state: 'open', closed_at: null, closed_by: null, last_change: null } as const
    const over = last <= lastDayOverAt(calendarOf(calendars, entityId), nowNs)
    const counts = { entries: 0, moved_in: 0 }
    const known = found.get(key) ?? {
      entity_id: entityId,
      period: name,
      first,
      last,
      ...none,
      over,
      ...counts,
    }
    found.set(key, { ...known, ...more })
  }
  for (const [entityId, { periods: listed }] of calendars.byEntity)
    if (listed !== 'months') for (const period of listed) add(entityId, period, {})
  const result = await clickhouse.query({
    query: `SELECT entity_id, accounting_period AS period, toInt32(uniqExact(journal_id)) AS entries,
      toInt32(uniqExactIf(journal_id, moved_from != '')) AS moved_in
    FROM journal_entries WHERE accounting_period != '' GROUP BY entity_id, period`,
    format: 'JSONEachRow',
  })
  for (const row of await result.json<{
    entity_id: string
    period: string
    entries: number
    moved_in: number
  }>()) {
    const { entity_id, period, ...counts } = row
    add(entity_id, periodNamed(calendarOf(calendars, entity_id), period), counts)
  }
  for (const { entityId, period, act, at, by, reason } of await periods.changes())
    add(entityId, periodNamed(calendarOf(calendars, entityId), period), {
      last_change: { act, at, by, reason },
    })
  for (const { entity_id, closed: of } of await periods.closed()) {
    for (const { period, first, last, closed_at, closed_by } of of)
      add(entity_id, periodNamed(calendarOf(calendars, entity_id), period) ?? { name: period, first, last }, {
        state: 'closed',
        closed_at,
        closed_by,
      })
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, period]) => period)
}

function closeRoute(periods: Periods): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/periods/close',
    audits: ['period.closed', 'period.close_refused'],
    access: needs('billing'),
    operationId: 'closePeriod',
    tag: booksTag,
    summary: 'Close a period of an entity',
    description:
      'Refused while something that belongs to it is not settled: a charge that is due and not billed, a run under way, a batch ' +
      'that is held or not acknowledged, a release that is not posted, a line that is set aside, a delivery that waits, is ' +
      'unclear, refused or held. After that nothing is booked in it. What is posted while it closes keeps it open: then ' +
      '`period.close_refused` follows `period.closed` on the audit trail.',
    body: jsonBody(closeBody, { entity_id: 'de', period: '2026-10' }),
    responses: {
      200: {
        description: 'It is closed; of a preview, what would keep it open.',
        schema: closeAnswer,
        example: { entity_id: 'de', period: '2026-10', state: 'closed', over: true, blockers: [] },
      },
    },
    problems: [
      'invalid_request',
      'invalid_accounting_calendar',
      'unknown_entity',
      'unknown_period',
      'not_over_yet',
      'period_not_open',
      'period_not_settled',
    ],
    problemMembers: {
      409: z.object({
        blockers: z
          .array(blockerSchema)
          .meta({ examples: [blockers] })
          .optional(),
      }),
    },
    async handle(call): Promise<ApiReply> {
      const { entity_id, period, preview } = await readJson(call, closeBody)
      await periods.requireEntity(entity_id, period, call.caller)
      if (preview) {
        const found = await periods.blockersOf(entity_id, period, call.caller)
        const over = await periods.isOver(entity_id, period)
        return { status: 200, body: { entity_id, period, state: 'open', over, blockers: found } }
      }
      await periods.close(entity_id, period, call.caller)
      return { status: 200, body: { entity_id, period, state: 'closed', over: true, blockers: [] } }
    },
  }
}

function reopenRoute(periods: Periods): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/periods/reopen',
    audits: ['period.reopened'],
    access: needs('billing'),
    operationId: 'reopenPeriod',
    tag: booksTag,
    summary: 'Open a closed period again',
    description: 'With a reason. What went to a later period meanwhile stays there.',
    body: jsonBody(reopenBody, { entity_id: 'de', period: '2026-10', reason: 'an invoice was missing' }),
    responses: {
      200: {
        description: 'It is open.',
        schema: closeAnswer,
        example: { entity_id: 'de', period: '2026-10', state: 'open', over: true, blockers: [] },
      },
    },
    problems: ['invalid_request', 'invalid_accounting_calendar', 'unknown_period', 'period_not_closed'],
    async handle(call): Promise<ApiReply> {
      const { entity_id, period, reason } = await readJson(call, reopenBody)
      await periods.reopen(entity_id, period, reason, call.caller)
      return { status: 200, body: { entity_id, period, state: 'open', over: true, blockers: [] } }
    },
  }
}
