// The routes of replays: `POST /v1/replays`, `POST /v1/catalog-diffs`, and the differences that a replay found. The job
// itself is looked at, paused and cancelled under `/v1/jobs`.

import { z } from 'zod'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  jsonBody,
  needs,
  readJson,
  readQuery,
} from '../gateway/route.js'
import { type JobRecord, viewOfJob } from '../jobs/job-record.js'
import { jobExample, jobSchema } from '../jobs/job-routes.js'
import { comparisonRoutes } from './comparison-routes.js'
import { csvOfDifferences } from './csv.js'
import { pageOf } from './difference-pages.js'
import { heldInput } from './held-input.js'
import { planChanges } from './plan-changes.js'
import { replayedPartitions, replayKindName, requestOf } from './replay-kind.js'
import { type AskedReplay, catalogIn, resolveRequest, sources } from './replay-request.js'
import {
  type CustomerLine,
  chargeLineSchema,
  customerLineSchema,
  priceLineSchema,
  type ReplayStore,
} from './replay-store.js'

type Parts = Pick<FeatureParts, 'audit' | 'config' | 'jobs' | 'jsm' | 'shadows'>

/** Catalogs of hundreds of plans. */
const maxCatalogBytes = 512 * 1024

const tag: ApiTag = {
  name: 'Replays',
  description: 'The same stretch through other terms, beside the live one. Nothing live is touched.',
}
const catalog = z
  .looseObject({})
  .describe(
    'Meters and plans as in a catalog file; the newest version of each plan is tried in the place of all its versions',
  )
const common = {
  customer_id: z.string().min(1).max(256).optional().describe('Of one customer alone'),
  reason: z.string().max(1_000).optional(),
}
const replayBody = z.strictObject({
  from: z
    .string()
    .meta({ format: 'date-time' })
    .describe('An instant, or a day in UTC: charges whose period begins from here on are compared'),
  until: z.string().meta({ format: 'date-time' }).describe('An instant, or a day in UTC'),
  source: z
    .enum(['auto', ...sources])
    .default('auto')
    .describe(
      '`input`: what the streams hold; `history`: the rated rows in ClickHouse; `auto`: whichever can answer',
    ),
  catalog: catalog.optional().describe('Absent: the published terms, by this build'),
  ...common,
})
const diffBody = z.strictObject({
  catalog,
  month: z
    .string()
    .regex(/^20\d{2}-(0[1-9]|1[0-2])$/, 'It must be a month of this century, YYYY-MM.')
    .optional()
    .describe('In UTC, such as 2026-10; absent: the last one that is over'),
  ...common,
})
const replayExample = { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' }
const diffExample = { catalog: { meters: [], plans: [] }, month: '2026-10' }
const location = { location: 'The path of the job.' }
const example = {
  ...jobExample,
  kind: replayKindName,
  progress: { ...jobExample.progress, unit: 'partitions' },
}

export function replayRoutes(parts: Parts, store: ReplayStore): readonly ApiRoute[] {
  return [
    createRoute(parts),
    diffRoute(parts),
    differencesRoute(parts, store),
    ...comparisonRoutes(parts, tag),
  ]
}

function createRoute(parts: Parts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/replays',
    audits: ['replay.started'],
    access: needs('operate'),
    operationId: 'createReplay',
    tag,
    summary: 'Replay a stretch through other terms, or through this build',
    description:
      'A job: every partition is rated once more in a shadow, beside a copy of the live state, and the charges whose service ' +
      'period begins in the stretch are compared. It only reads.',
    body: jsonBody(replayBody, replayExample),
    responses: { 202: { description: 'The job.', schema: jobSchema, example, headers: location } },
    problems: ['invalid_request', 'invalid_catalog', 'input_purged', 'meter_not_in_history'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { customer_id, reason, ...body } = await readJson(call, replayBody, maxCatalogBytes)
      return begin(parts, call, { purpose: 'replay', ...body, ...ofCustomer(customer_id) }, reason)
    },
  }
}

function diffRoute(parts: Parts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/catalog-diffs',
    audits: ['replay.started'],
    access: needs('operate'),
    operationId: 'createCatalogDiff',
    tag,
    summary: 'Who would pay how much more or less',
    description:
      "A replay of a month's real usage through a catalog that is not published: its new versions of plans in the place of all " +
      'published ones. What publishing would refuse is refused. Nothing is published.',
    body: jsonBody(diffBody, diffExample),
    responses: {
      202: { description: 'The job, which is a replay.', schema: jobSchema, example, headers: location },
    },
    problems: [
      'invalid_request',
      'invalid_catalog',
      'conflicting_catalog',
      'input_purged',
      'meter_not_in_history',
    ],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { customer_id, reason, month, catalog } = await readJson(call, diffBody, maxCatalogBytes)
      const stretch = monthOf(month ?? lastMonth(Date.now()))
      const asked = { purpose: 'catalog_diff', source: 'auto', catalog, ...stretch } as const
      return begin(parts, call, { ...asked, ...ofCustomer(customer_id) }, reason)
    },
  }
}

function ofCustomer(customerId: string | undefined) {
  return customerId === undefined ? {} : { customerId }
}

async function begin(
  { audit, config, jobs, jsm, shadows }: Parts,
  { caller }: ApiCall,
  asked: AskedReplay,
  reason: string | undefined,
): Promise<ApiReply> {
  const published = await shadows.publishedCatalog(AbortSignal.timeout(30_000))
  const request = resolveRequest(asked, published, await heldInput(jsm))
  const tried = catalogIn(request)
  const changes = tried === undefined ? [] : planChanges(published, tried, request.plans)
  const { catalog: _, ...facts } = request
  const id = `${request.from}/${request.until}`
  const told = reason === undefined ? {} : { reason }
  await audit.record({ caller, act: 'replay.started', object: { kind: 'replay', id }, after: facts, ...told })
  const { job } = await jobs.create({
    kind: replayKindName,
    requestedBy: caller,
    request: { ...request, plan_changes: changes },
    state: 'running',
    unit: 'partitions',
    total: replayedPartitions(request, config.partitions).length,
    ...told,
  })
  return { status: 202, body: viewOfJob(job), headers: { location: `/v1/jobs/${job.job_id}` } }
}

const differencesQuery = z.object({
  by: z.enum(['charge', 'customer', 'price']).default('customer').describe('Which differences'),
  after: z
    .string()
    .regex(/^\d{1,5}-\d{1,9}$/)
    .optional()
    .describe('`next` of the page before'),
  format: z.enum(['json', 'csv']).default('json').describe('CSV has the page alone, with a header line'),
})
const lineSchema = z.union([chargeLineSchema, customerLineSchema, priceLineSchema])
const pageSchema = z.object({
  differences: z.array(lineSchema),
  next: z.string().nullable().describe('For the next page; null: this is the last one so far'),
})
const lineExample: CustomerLine = {
  by: 'customer',
  customer_id: 'acme',
  currency: 'USD',
  charges: 3,
  changed: 1,
  amount_before: '120.5',
  amount_after: '132.55',
  amount_change: '12.05',
  amount_rounded_before: '120.5',
  amount_rounded_after: '132.55',
  amount_rounded_change: '12.05',
}

function differencesRoute({ jobs, config }: Parts, store: ReplayStore): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/replays/{id}/differences',
    access: needs('read', 'operate'),
    operationId: 'listReplayDifferences',
    tag,
    summary: 'What a replay found',
    description:
      'By charge (those that differ), by customer (those with such a charge, all of their charges added up) or by price (all ' +
      'of them), of the partitions that are done, page by page. Kept for 90 days.',
    params: z.object({
      id: z
        .string()
        .describe('The job_id')
        .meta({ examples: [jobExample.job_id] }),
    }),
    query: differencesQuery,
    responses: {
      200: {
        description: 'A page; with `format=csv` as text/csv.',
        schema: pageSchema,
        example: { differences: [lineExample], next: null },
        headers: { 'weir-next': 'With CSV: what the next page begins after; absent on the last one.' },
      },
    },
    problems: ['not_found'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { by, after, format } = readQuery(call, differencesQuery)
      const job = await replayOf(jobs, call.params['id'] ?? '')
      const partitions = replayedPartitions(requestOf(job), config.partitions)
      const page = await pageOf(store, job.job_id, partitions, by, after)
      if (format === 'json') return { status: 200, body: page }
      const headers = page.next === null ? {} : { 'weir-next': page.next }
      const body = csvOfDifferences(by, page.differences, true)
      return { status: 200, body, contentType: 'text/csv; charset=utf-8', headers }
    },
  }
}

async function replayOf(jobs: Parts['jobs'], jobId: string): Promise<JobRecord> {
  const job = await jobs.get(jobId)
  if (job !== undefined && job.kind === replayKindName) return job
  throw new Problem('not_found', `There is no replay ${jobId}.`)
}

function lastMonth(nowMs: number): string {
  const now = new Date(nowMs)
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7)
}

function monthOf(month: string): { readonly from: string; readonly until: string } {
  const [year, number] = month.split('-').map(Number) as [number, number]
  const begin = (of: number) => new Date(Date.UTC(year, of, 1)).toISOString()
  return { from: begin(number - 1), until: begin(number) }
}
