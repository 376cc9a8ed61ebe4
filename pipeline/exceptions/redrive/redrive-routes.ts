// The routes that redrive exceptions, and undo a redrive. They check the request, put it on record and make the job; the
// job does the work.

import { isDeepStrictEqual } from 'node:util'
import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { AuditTrail } from '../../gateway/audit-trail.js'
import { Problem } from '../../gateway/problem.js'
import { type ApiCall, type ApiReply, type ApiRoute, jsonBody, needs, readJson } from '../../gateway/route.js'
import { type JobDesk, newJobId } from '../../jobs/job-desk.js'
import { type JobRecord, viewOfJob } from '../../jobs/job-record.js'
import { jobExample, jobSchema } from '../../jobs/job-routes.js'
import type { ExceptionDesk } from '../exception-desk.js'
import type { FilterWire } from '../exception-filter.js'
import { exceptionsTag } from '../list-routes.js'
import { personalSteps } from './keep-sealed.js'
import { previewOf, previewSchema, type RedrivePreview } from './preview.js'
import { menderOf } from './redrive-job.js'
import { billedCharges } from './redrive-report.js'
import {
  defaultRate,
  readRequest,
  redriveBody,
  redriveKind,
  undoKind,
  untilNow,
  workOf,
} from './redrive-request.js'

export interface RedriveRoutesParts {
  readonly queries: ClickHouseClient
  readonly desk: ExceptionDesk
  readonly jobs: JobDesk
  readonly audit: AuditTrail
}

const redriveSchema = z.object({ job: jobSchema, preview: previewSchema }).meta({ id: 'Redrive' })
const previewExample: RedrivePreview = {
  count: 1,
  groups: [
    {
      group: 'cause@1/dead_letter/invalid_value/llm.request/%2Fdata%2Ftokens/',
      count: 1,
      customers: 1,
      money: { at_stake: [{ currency: 'EUR', amount: '0.000036' }], known: 1, not_known: 0, not_counted: 0 },
    },
  ],
  examples: [
    {
      exception_id: 'exc_0123456789abcdef01234567',
      group: 'cause@1/dead_letter/invalid_value/llm.request/%2Fdata%2Ftokens/',
      before: { source: 'app', id: 'e-1', type: 'llm.request', subject: 'acme', data: { tokens: '12 t' } },
      after: { source: 'app', id: 'e-1', type: 'llm.request', subject: 'acme', data: { tokens: 12 } },
      left: null,
    },
  ],
}
const bodyExample = {
  filter: { code: 'invalid_value', field: '/data/tokens' },
  transform: [{ step: 'cast', field: '/data/tokens', to: 'number', remove: [' t'] }],
  rate: 100,
  dry_run: true,
}
const location = { location: 'The path of the job.' }
const idempotencyHeader = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().describe('The same key gives the same job'),
})

export function redriveRoutes(parts: RedriveRoutesParts): readonly ApiRoute[] {
  return [
    redriveRoute(parts, '/v1/exceptions/redrive', 'redriveExceptions'),
    redriveRoute(parts, '/v1/dead-letters/redrive', 'redriveDeadLetters'),
    undoRoute(parts),
  ]
}

function redriveRoute(parts: RedriveRoutesParts, path: string, operationId: string): ApiRoute {
  return {
    method: 'POST',
    path,
    audits: ['redrive.started', 'redrive.tried', 'redrive.previewed'],
    access: needs('operate'),
    operationId,
    tag: exceptionsTag,
    summary: 'Mend what failed and send it through again',
    description:
      'Makes a job of the exceptions that the filter takes, and answers it with a preview. Source, id and time of an event stay ' +
      'unless a step of the transform says otherwise; so a mended event is the same event, and no duplicate. With `dry_run` the ' +
      'job tells what would come of it, on a copy of the state, and publishes nothing. With `start: false` it waits to be started.',
    headers: idempotencyHeader,
    body: jsonBody(redriveBody, bodyExample),
    responses: {
      201: {
        description: 'The job, and what it is about.',
        schema: redriveSchema,
        example: { job: jobExample, preview: previewExample },
        headers: location,
      },
    },
    problems: ['invalid_request', 'idempotency_key_reused'],
    handle: call => redrive(parts, call, path.includes('dead-letters')),
  }
}

async function redrive(parts: RedriveRoutesParts, call: ApiCall, isOfEvents: boolean): Promise<ApiReply> {
  const body = await readJson(call, redriveBody)
  if (isOfEvents && body.filter.kind?.some(kind => kind !== 'dead_letter')) refuseKind()
  const asked = isOfEvents ? { ...body.filter, kind: deadLetters } : body.filter
  const now = new Date().toISOString()
  const filter = untilNow(asked, now)
  const { desk, jobs, audit } = parts
  const work = readRequest({ filter, transform: body.transform }, desk.rules.groups)
  const personal = personalSteps(work.transform, desk.personal)
  if (personal.length > 0) throw new Problem('invalid_request', personal[0]!.detail, { errors: personal })
  const jobId = newJobId(redriveKind, idempotencyKeyOf(call))
  const before = await jobs.get(jobId)
  if (before !== undefined) return repeated(parts, before, asked, body)
  const mender = { jobId, at: now, reason: body.reason }
  const preview = await previewOf(desk, work.filter, work.transform, mender)
  const request = { filter, transform: body.transform, rate: body.rate, dry_run: body.dry_run }
  await audit.record({
    caller: call.caller,
    act: body.dry_run ? 'redrive.tried' : body.start ? 'redrive.started' : 'redrive.previewed',
    object: { kind: 'job', id: jobId },
    reason: body.reason === '' ? undefined : body.reason,
    after: { ...request, exceptions: preview.count },
  })
  const { job } = await jobs.create({
    kind: redriveKind,
    jobId,
    requestedBy: call.caller,
    request,
    state: body.start ? 'running' : 'previewed',
    unit: 'exceptions',
    total: preview.count,
    ...(body.reason === '' ? {} : { reason: body.reason }),
  })
  return { status: 201, body: { job: viewOfJob(job), preview }, headers: { location: `/v1/jobs/${jobId}` } }
}

/** The job of an Idempotency-Key that was used before, with a preview as of now. Nothing begins, and nothing is on record. */
async function repeated(
  { desk }: RedriveRoutesParts,
  job: JobRecord,
  asked: FilterWire,
  body: z.output<typeof redriveBody>,
): Promise<ApiReply> {
  const { transform, rate, dry_run } = body
  const kept = job.request as { readonly filter: FilterWire }
  const filter = { ...asked, until: asked.until ?? kept.filter.until }
  if (!isDeepStrictEqual(toJson({ filter, transform, rate, dry_run }), toJson(kept))) {
    const detail = `The Idempotency-Key belongs to ${job.job_id}, which was asked for otherwise; use another key.`
    throw new Problem('idempotency_key_reused', detail)
  }
  const work = workOf(job.request, desk.rules.groups)
  const preview = await previewOf(desk, work.filter, work.transform, menderOf(job))
  const headers = { location: `/v1/jobs/${job.job_id}` }
  return { status: 201, body: { job: viewOfJob(job), preview }, headers }
}

/** As a job keeps it: without members that are undefined. */
function toJson(value: unknown): unknown {
  const json = parseJson(stringifyJson(value))
  return json.kind === 'ok' ? json.value : undefined
}

const deadLetters: ['dead_letter'] = ['dead_letter']

function refuseKind(): never {
  const detail = 'This route redrives dead letters alone; the others are redriven by /v1/exceptions/redrive.'
  throw new Problem('invalid_request', detail, {
    errors: [{ pointer: '/filter/kind', code: 'invalid_filter', detail }],
  })
}

const undoParams = z.object({
  id: z
    .string()
    .describe('The job_id of a redrive')
    .meta({ examples: [jobExample.job_id] }),
})

function undoRoute(parts: RedriveRoutesParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/exceptions/redrive/{id}/undo',
    audits: ['redrive.undone'],
    access: needs('operate'),
    operationId: 'undoRedrive',
    tag: exceptionsTag,
    summary: 'Undo a redrive of which nothing was billed',
    description:
      'Each event of the redrive is as it was received again, and an open exception. Refused where a charge with one of the ' +
      'events was billed already; `errors` names the charges. What was amended since stays as it was amended. Doing it again changes nothing.',
    params: undoParams,
    responses: {
      201: {
        description: 'The job that undoes it.',
        schema: jobSchema,
        example: { ...jobExample, kind: undoKind },
        headers: location,
      },
    },
    problems: ['not_found', 'job_not_in_state', 'charges_billed'],
    handle: call => undo(parts, call),
  }
}

async function undo({ jobs, audit, queries }: RedriveRoutesParts, call: ApiCall): Promise<ApiReply> {
  const redriven = await jobs.get(call.params['id'] ?? '')
  if (redriven?.kind !== redriveKind) throw new Problem('not_found', 'There is no such redrive.')
  if (redriven.state === 'running' || redriven.state === 'paused')
    throw new Problem('job_not_in_state', `The redrive is ${redriven.state}; cancel it, or wait for its end.`)
  const billed = await billedCharges(queries, redriven.job_id)
  if (billed.length > 0) {
    const errors = billed.map(({ charge_id, billing_run_id }) => ({
      pointer: '',
      code: 'charges_billed',
      detail: `The charge ${charge_id} was billed by the run ${billing_run_id}.`,
    }))
    const detail =
      'Events of the redrive are on charges that were billed; amend or retract the events instead.'
    throw new Problem('charges_billed', detail, { errors })
  }
  const jobId = newJobId(undoKind, redriven.job_id)
  const reason = `undoes ${redriven.job_id}`
  await audit.record({
    caller: call.caller,
    act: 'redrive.undone',
    object: { kind: 'job', id: redriven.job_id },
    after: { job_id: jobId },
  })
  const { job } = await jobs.create({
    kind: undoKind,
    jobId,
    requestedBy: call.caller,
    request: {
      job_id: redriven.job_id,
      rate: rateOf(redriven.request),
      redriven_at: redriven.created_at,
    },
    state: 'running',
    unit: 'exceptions',
    total: redriven.counts['redriven'] ?? 0,
    reason,
  })
  return { status: 201, body: viewOfJob(job), headers: { location: `/v1/jobs/${jobId}` } }
}

function rateOf(request: unknown): number {
  const parsed = z.object({ rate: z.int().min(1) }).safeParse(request)
  return parsed.success ? parsed.data.rate : defaultRate
}

function idempotencyKeyOf(call: ApiCall): string | undefined {
  const key = call.headers['idempotency-key']
  return typeof key === 'string' && key !== '' ? key : undefined
}
