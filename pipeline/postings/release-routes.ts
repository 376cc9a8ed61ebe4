// The route behind `weir releases`.

import { z } from 'zod'
import { type ApiReply, type ApiRoute, type ApiTag, jsonBody, needs, readJson } from '../gateway/route.js'
import type { ReleaseDesk } from './release-desk.js'

export const booksTag: ApiTag = {
  name: 'Books',
  description: 'Releases of deferred revenue, and the periods of the accounting calendar.',
}

const bodySchema = z
  .strictObject({
    until: z.iso.date().describe('The last day; it is over in the time zone of the entity'),
    entity_id: z.string().optional().describe('Of this entity alone; empty: of those without one'),
    preview: z.boolean().default(false).describe('Say what it would post, and post nothing'),
  })
  .meta({ id: 'ReleaseRequest' })

export const releaseAnswerSchema = z
  .object({
    release_id: z.string().nullable().describe('`source.release_id` of its entries; null: a preview'),
    status: z.enum(['preview', 'ordered', 'posted']),
    until: z.string(),
    entity_id: z.string().nullable(),
    totals: z
      .array(
        z.object({
          entity_id: z.string(),
          currency: z.string(),
          accounting_period: z.string(),
          entries: z.int(),
          revenue: z.string().describe('Credits less debits of revenue'),
        }),
      )
      .describe('As it was due when it was asked for'),
  })
  .meta({ id: 'Release' })

const example = {
  release_id: 'ro_0d3182670839c2950ac3982af2fe161e',
  status: 'posted',
  until: '2026-10-31',
  entity_id: null,
  totals: [{ entity_id: 'de', currency: 'EUR', accounting_period: '2026-10', entries: 1, revenue: '8.47' }],
} satisfies z.input<typeof releaseAnswerSchema>

export function releaseRoutes(desk: ReleaseDesk): readonly ApiRoute[] {
  return [
    {
      method: 'POST',
      path: '/v1/releases',
      audits: ['release.created'],
      access: needs('billing'),
      operationId: 'createRelease',
      tag: booksTag,
      summary: 'Post what is earned of deferred revenue',
      description:
        'Each month of a schedule that ends by the day becomes an entry of kind `release`, once, however often it is asked for. ' +
        'A billing run does the same for what is earned by its cutoff. `ordered`: it is posted soon.',
      body: jsonBody(bodySchema, { until: '2026-10-31' }),
      responses: { 200: { description: 'What it posts.', schema: releaseAnswerSchema, example } },
      problems: ['invalid_request', 'invalid_accounting_calendar', 'not_over_yet'],
      async handle(call): Promise<ApiReply> {
        const { until, entity_id: entityId, preview } = await readJson(call, bodySchema)
        return { status: 200, body: await desk.create({ until, entityId, preview }, call.caller) }
      },
    },
  ]
}
