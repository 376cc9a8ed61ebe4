// The routes that start the jobs of catching up and of comparing.

import { z } from 'zod'
import { formatInstantMs, msOf, parseInstant } from '../../schemas/time.js'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import { type ApiCall, type ApiReply, type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import { newJobId } from '../jobs/job-desk.js'
import { viewOfJob } from '../jobs/job-record.js'
import { jobExample, jobSchema } from '../jobs/job-routes.js'
import { catchUpKind, type catchUpRequest } from './catch-up-job.js'
import { compareKind } from './compare-job.js'
import { sourcesTag } from './door/door.js'
import type { RunningSource, SourceDesk } from './source-desk.js'

type Parts = Pick<FeatureParts, 'audit' | 'jobs'>

/** Where nobody says from when on, and the source keeps everything. */
const usualMs = 30 * 86_400_000

const params = z.object({
  source: z
    .string()
    .describe('The name of a source')
    .meta({ examples: ['stripe'] }),
})
const instant = (description: string) =>
  z
    .string()
    .refine(value => parseInstant(value) !== undefined, 'is an instant, such as 2026-11-01T00:00:00Z')
    .meta({ format: 'date-time', description })
    .optional()
const reason = z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail')
const catchUpBody = z.strictObject({
  from: instant(
    'What happened there at or after; absent: as far back as the source keeps events, or 30 days',
  ),
  until: instant('What happened there before; absent: now'),
  which: z
    .enum(['undelivered', 'all'])
    .default('undelivered')
    .describe('`undelivered`: what the source itself could not deliver, where it can tell; else everything'),
  reason: reason.default('what was missed'),
})
const compareBody = z.strictObject({ reason: reason.default('whether it is the same') })
const responses = {
  201: {
    description: 'The job.',
    schema: jobSchema,
    example: jobExample,
    headers: { location: 'The path of the job.' },
  },
}

export function catchUpRoutes(parts: Parts, desk: SourceDesk, nowMs: () => number): readonly ApiRoute[] {
  return [catchUpRoute(parts, desk, nowMs), compareRoute(parts, desk)]
}

function catchUpRoute(parts: Parts, desk: SourceDesk, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sources/{source}/catch-up',
    audits: ['source.catch_up'],
    access: needs('operate'),
    operationId: 'catchUpSource',
    tag: sourcesTag,
    summary: 'Fetch what a source could not send',
    description:
      'A job reads it from the source, money first, then the state of subscriptions, then the rest, each in the order of the ' +
      "source's own time. What was delivered meanwhile is a duplicate. What is older than the source keeps events is taken from its " +
      'objects as they are now, which the request of the job says.',
    params,
    body: jsonBody(catchUpBody, { from: '2026-11-01T00:00:00Z', reason: 'The network was down' }),
    responses,
    problems: ['not_found', 'invalid_request'],
    async handle(call) {
      const { source, reach } = named(desk, call)
      if (reach?.catchUp === undefined && reach?.objects === undefined)
        throw new Problem(
          'invalid_request',
          `A source of kind ${source.kind.kind} cannot be asked for what was missed.`,
        )
      const { from, until, which, reason: why } = await readJson(call, catchUpBody)
      const [now, keeps] = [nowMs(), reach.keepsMs]
      const request: z.infer<typeof catchUpRequest> = {
        source: source.settings.name,
        from_ms: from === undefined ? now - (keeps ?? usualMs) : msOfInstant(from),
        until_ms: until === undefined ? now : Math.min(now, msOfInstant(until)),
        which,
      }
      // A minute of grace: `from` may have been reckoned as just what the source keeps.
      const isTooOld =
        keeps !== undefined && request.from_ms < now - keeps - 60_000 && reach.objects !== undefined
      const because = `The source keeps events from ${formatInstantMs(now - (keeps ?? 0))} on: what is older is taken from its objects as they are now.`
      const whole = isTooOld ? { ...request, objects_because: because } : request
      return start(parts, call, {
        kind: catchUpKind,
        act: 'source.catch_up',
        unit: 'arrivals',
        request: whole,
        why,
      })
    },
  }
}

function compareRoute(parts: Parts, desk: SourceDesk): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/sources/{source}/compare',
    audits: ['source.compared'],
    access: needs('operate'),
    operationId: 'compareSource',
    tag: sourcesTag,
    summary: "Compare a source's objects with ours",
    description:
      'A job reads every subscription and customer of the source and says what is missing, extra or different, with the field and both ' +
      'values. Nothing is sent or changed.',
    params,
    body: jsonBody(compareBody, { reason: 'Before the month is closed' }),
    responses,
    problems: ['not_found', 'invalid_request'],
    async handle(call) {
      const { source, reach } = named(desk, call)
      if (reach?.objects === undefined)
        throw new Problem(
          'invalid_request',
          `A source of kind ${source.kind.kind} has no list of its objects.`,
        )
      const { reason: why } = await readJson(call, compareBody)
      const request = { source: source.settings.name }
      return start(parts, call, { kind: compareKind, act: 'source.compared', unit: 'objects', request, why })
    },
  }
}

interface NewWork {
  readonly kind: string
  readonly act: 'source.catch_up' | 'source.compared'
  readonly unit: string
  readonly request: { readonly source: string }
  readonly why: string
}

async function start({ audit, jobs }: Parts, call: ApiCall, work: NewWork): Promise<ApiReply> {
  const { kind, act, unit, request, why } = work
  const jobId = newJobId(kind)
  await audit.record({
    caller: call.caller,
    act,
    object: { kind: 'source', id: request.source },
    reason: why,
    after: { ...request, job: jobId },
  })
  const { job } = await jobs.create({
    ...{ kind, jobId, requestedBy: call.caller, request, state: 'running', unit },
    reason: why,
  })
  return { status: 201, body: viewOfJob(job), headers: { location: `/v1/jobs/${jobId}` } }
}

function named(desk: SourceDesk, call: ApiCall): RunningSource {
  const found = desk.named(call.params['source'] ?? '')
  if (found === undefined) throw new Problem('not_found', 'There is no such source.')
  return found
}

function msOfInstant(text: string): number {
  return msOf(parseInstant(text) ?? 0n)
}
