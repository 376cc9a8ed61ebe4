// The routes that tell of sources and their arrivals, try again what waits, and run a mapping again.

import { z } from 'zod'
import { arrivalStates } from '../../schemas/arrival-outcome.js'
import { formatInstantMs, msOf, parseInstant } from '../../schemas/time.js'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  jsonBody,
  needs,
  readJson,
  readQuery,
} from '../gateway/route.js'
import { holds } from '../gateway/scopes.js'
import { newJobId } from '../jobs/job-desk.js'
import { viewOfJob } from '../jobs/job-record.js'
import { jobExample, jobSchema } from '../jobs/job-routes.js'
import { sourcesTag } from './door/door.js'
import { arrivalEventView, arrivalView, countArrivals, listArrivals, readArrival } from './read-arrivals.js'
import { rerunKind } from './rerun-job.js'
import type { RunningSource, SourceDesk } from './source-desk.js'
import { type ListenStatus, listenStates } from './source-status.js'

type Parts = Pick<FeatureParts, 'queries' | 'audit' | 'jobs'>

const sourceView = z
  .object({
    source: z.string(),
    kind: z.string(),
    arrivals: z.int().describe('That have an outcome'),
    behind: z.int().describe('That have none yet'),
    waiting: z.int(),
    revision: z.int().describe('How often its mapping has changed'),
    states: z.record(z.string(), z.int()).describe('Arrivals by state'),
    trouble: z.object({ code: z.string(), detail: z.string() }).nullable(),
    listening: z
      .object({
        state: z.enum(listenStates),
        heard_at: z.string().nullable().describe('When this process last heard of it'),
      })
      .nullable()
      .describe('Of a source that is listened to'),
  })
  .meta({ id: 'Source' })
export type SourceView = z.infer<typeof sourceView>
const sourceExample: SourceView = {
  ...{ source: 'billing', kind: 'standard', arrivals: 3, behind: 0, waiting: 1, revision: 0 },
  states: { mapped: 2, waiting: 1 },
  trouble: null,
  listening: null,
}
const arrivalExample = {
  ...{ source: 'billing', arrival_id: 'msg_1', sequence: 1, type: 'payment.succeeded', via: 'webhook' },
  ...{
    occurred_at: '2026-11-01T00:00:00.000Z',
    received_at: '2026-11-01T00:00:01.000Z',
    state: 'mapped' as const,
  },
  ...{ code: '', detail: '', superseded_by: '', events: 1, changed_at: '2026-11-01T00:00:01.010Z' },
}
const eventExample = {
  source: 'weir:standard:billing',
  id: 'msg_1',
  type: 'weir.payment.succeeded',
  customer_id: 'acme',
}
const params = z.object({
  source: z
    .string()
    .describe('The name of a source')
    .meta({ examples: ['billing'] }),
})
const arrivalParams = params.extend({
  arrival: z
    .string()
    .describe('The id of an arrival')
    .meta({ examples: ['msg_1'] }),
})
const listQuery = z.strictObject({
  state: z.enum(arrivalStates).optional().describe('Only those in this state'),
  before: z.coerce.number().int().min(1).optional().describe('`next_before` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Arrivals in a page'),
})
const instant = (description: string) =>
  z
    .string()
    .refine(value => parseInstant(value) !== undefined, 'is an instant, such as 2026-11-01T00:00:00Z')
    .meta({ format: 'date-time', description })
const reason = z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail')
const retryBody = z.strictObject({ arrivals: z.array(z.string()).max(1_000).optional(), reason })
const rerunBody = z.strictObject({
  from: instant('Arrivals received at or after'),
  until: instant('Arrivals received before'),
  dry_run: z.boolean().default(true).describe('Say what differs, and send nothing'),
  reason,
})

export function sourceRoutes(parts: Parts, desk: SourceDesk): readonly ApiRoute[] {
  return [
    listRoute(parts, desk),
    arrivalsRoute(parts, desk),
    arrivalRoute(parts, desk),
    retryRoute(parts, desk),
    rerunRoute(parts, desk),
  ]
}

function listenView(listening: ListenStatus | undefined): SourceView['listening'] {
  if (listening === undefined) return null
  const { state, heardAtMs } = listening
  return { state, heard_at: heardAtMs === undefined ? null : formatInstantMs(heardAtMs) }
}

function named(desk: SourceDesk, call: ApiCall): RunningSource {
  const found = desk.named(call.params['source'] ?? '')
  if (found === undefined) throw new Problem('not_found', 'There is no such source.')
  return found
}

function listRoute({ queries }: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/sources',
    access: needs('read'),
    operationId: 'listSources',
    tag: sourcesTag,
    summary: 'The sources and how they stand',
    description: 'Those of the configuration, with how many of their arrivals are in which state.',
    responses: {
      200: {
        description: 'The sources.',
        schema: z.object({ sources: z.array(sourceView) }),
        example: { sources: [sourceExample] },
      },
    },
    async handle(): Promise<ApiReply> {
      const counts = await countArrivals(queries)
      const sources = desk
        .statuses()
        .map(({ source, kind, arrivals, behind, waiting, revision, trouble, listening }) => {
          const own = counts.filter(one => one.source === source)
          const states = Object.fromEntries(own.map(one => [one.state, one.arrivals]))
          const facts = { source, kind, arrivals, behind, waiting, revision, states }
          return { ...facts, trouble: trouble ?? null, listening: listenView(listening) }
        })
      return { status: 200, body: { sources } }
    },
  }
}

function arrivalsRoute({ queries }: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/sources/{source}/arrivals',
    access: needs('read'),
    operationId: 'listArrivals',
    tag: sourcesTag,
    summary: 'What a source sent',
    description: 'The newest first, a page at a time: ask again with `before` set to `next_before`.',
    params,
    query: listQuery,
    responses: {
      200: {
        description: 'A page of arrivals.',
        schema: z.object({ arrivals: z.array(arrivalView), next_before: z.int().nullable() }),
        example: { arrivals: [arrivalExample], next_before: null },
      },
    },
    problems: ['not_found'],
    async handle(call) {
      const { settings } = named(desk, call).source
      const { state, before = Number.MAX_SAFE_INTEGER, limit } = readQuery(call, listQuery)
      const arrivals = await listArrivals(queries, { source: settings.name, state, before, limit })
      const last = arrivals.length < limit ? undefined : arrivals.at(-1)
      return { status: 200, body: { arrivals, next_before: last?.sequence ?? null } }
    },
  }
}

function arrivalRoute({ queries }: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/sources/{source}/arrivals/{arrival}',
    access: needs('read'),
    operationId: 'getArrival',
    tag: sourcesTag,
    summary: 'One arrival and what became of it',
    description: 'With a key of the scope `reveal` also the body as it came: it may hold personal data.',
    params: arrivalParams,
    responses: {
      200: {
        description: 'The arrival.',
        schema: z.object({
          arrival: arrivalView,
          events: z.array(arrivalEventView),
          body: z.string().optional().describe('As it came; absent without the scope, or once it is purged'),
        }),
        example: { arrival: arrivalExample, events: [eventExample] },
      },
    },
    problems: ['not_found'],
    async handle(call) {
      const { settings } = named(desk, call).source
      const id = call.params['arrival'] ?? ''
      const found = await readArrival(queries, settings.name, id)
      if (found === undefined)
        throw new Problem('not_found', 'There is no such arrival, or none with an outcome yet.')
      const kept = holds(call.caller, 'reveal') ? await desk.arrivals.find(settings.name, id) : undefined
      const body = kept === undefined ? {} : { body: Buffer.from(kept.bytes).toString('utf8') }
      return { status: 200, body: { ...found, ...body } }
    },
  }
}

function retryRoute({ audit }: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sources/{source}/retry',
    audits: ['source.retried'],
    access: needs('operate'),
    operationId: 'retryArrivals',
    tag: sourcesTag,
    summary: 'Try again what waits',
    description:
      'All of a source, or those that are named. A mended mapping and a new id free arrivals by themselves.',
    params,
    body: jsonBody(retryBody, { reason: 'The account has its customer now' }),
    responses: {
      200: {
        description: 'How many were tried, and how many of them wait on.',
        schema: z.object({ tried: z.int(), waiting: z.int() }),
        example: { tried: 1, waiting: 0 },
      },
    },
    problems: ['not_found', 'invalid_request'],
    async handle(call) {
      const { mapper, source } = named(desk, call)
      const body = await readJson(call, retryBody)
      await audit.record({
        caller: call.caller,
        act: 'source.retried',
        object: { kind: 'source', id: source.settings.name },
        reason: body.reason,
        after: { arrivals: body.arrivals ?? 'all that wait' },
      })
      return { status: 200, body: await mapper.retry(body.arrivals && new Set(body.arrivals)) }
    },
  }
}

function rerunRoute({ audit, jobs }: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sources/{source}/rerun',
    audits: ['source.rerun', 'source.rerun_tried'],
    access: needs('operate'),
    operationId: 'rerunSource',
    tag: sourcesTag,
    summary: 'Run a mended mapping again',
    description:
      'A job maps the arrivals of a stretch again and sends what differs from what was sent, under ids that name the revision. ' +
      'With `dry_run`, which is the default, it says what differs and sends nothing.',
    params,
    body: jsonBody(rerunBody, {
      ...{
        from: '2026-11-01T00:00:00Z',
        until: '2026-12-01T00:00:00Z',
        dry_run: true,
        reason: 'Seats were read wrongly',
      },
    }),
    responses: {
      201: {
        description: 'The job.',
        schema: jobSchema,
        example: jobExample,
        headers: { location: 'The path of the job.' },
      },
    },
    problems: ['not_found', 'invalid_request'],
    async handle(call) {
      const { settings } = named(desk, call).source
      const body = await readJson(call, rerunBody)
      const request = {
        source: settings.name,
        from_ms: msOfInstant(body.from),
        until_ms: msOfInstant(body.until),
        dry_run: body.dry_run,
      }
      const jobId = newJobId(rerunKind)
      await audit.record({
        caller: call.caller,
        act: body.dry_run ? 'source.rerun_tried' : 'source.rerun',
        object: { kind: 'source', id: settings.name },
        reason: body.reason,
        after: { ...request, job: jobId },
      })
      const { job } = await jobs.create({
        ...{ kind: rerunKind, jobId, requestedBy: call.caller, request, state: 'running', unit: 'arrivals' },
        reason: body.reason,
      })
      return { status: 201, body: viewOfJob(job), headers: { location: `/v1/jobs/${jobId}` } }
    },
  }
}

function msOfInstant(text: string): number {
  return msOf(parseInstant(text) ?? 0n)
}
