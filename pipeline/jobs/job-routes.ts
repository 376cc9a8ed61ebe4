// The routes of jobs, the same for every kind: list, show, report, start, pause, resume, cancel.

import { z } from 'zod'
import type { AuditTrail } from '../gateway/audit-trail.js'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  needs,
  readQuery,
} from '../gateway/route.js'
import type { JobAct, JobDesk } from './job-desk.js'
import { type JobRecord, jobRecordSchema, jobStates, viewOfJob } from './job-record.js'

const read = needs('read', 'operate')
const operate = needs('operate')
const jobsTag: ApiTag = {
  name: 'Jobs',
  description: 'Long work that survives a stop of the process: its state, progress and report.',
}

export const jobSchema = jobRecordSchema
  .omit({ lease: true, position: true })
  .extend({
    is_worked_on: z.boolean().describe('A process works on it at this moment'),
    estimated_seconds_left: z.int().nonnegative().nullable().describe('Null: not known'),
  })
  .meta({ id: 'Job' })

export const jobExample = {
  job_id: 'job_6f1d0c2b9a7e4d3f8b5a1c20',
  kind: 'redrive',
  state: 'running',
  requested_by: { key_id: '0123456789ab', key_name: 'on call' },
  reason: null,
  created_at: '2026-11-01T08:00:00.000Z',
  started_at: '2026-11-01T08:00:01.000Z',
  ended_at: null,
  updated_at: '2026-11-01T08:00:09.000Z',
  request: {},
  progress: { done: 400, total: 1000, unit: 'events', rate_per_second: 50 },
  counts: { published: 400 },
  trouble: null,
  failure: null,
  approval_id: null,
  is_worked_on: true,
  estimated_seconds_left: 12,
}

const jobParams = z.object({
  id: z
    .string()
    .describe('A job_id')
    .meta({ examples: [jobExample.job_id] }),
})
const listQuery = z.object({
  kind: z.string().min(1).max(64).optional().describe('Of one kind alone'),
  state: z.enum(jobStates).optional().describe('In one state alone'),
})

export function jobRoutes(desk: JobDesk, audit: AuditTrail): readonly ApiRoute[] {
  const act = (name: JobAct, summary: string, description: string): ApiRoute =>
    actRoute(desk, audit, { act: name, summary, description })
  return [
    listRoute(desk),
    showRoute(desk),
    reportRoute(desk),
    act('start', 'Start a job that was previewed', 'It runs from now on.'),
    act('pause', 'Pause a job', 'It stops after the step under way and keeps its position.'),
    act('resume', 'Resume a job', 'A paused or failed job goes on from its position.'),
    act('cancel', 'Cancel a job', 'For good. What it has done stays; `report` says what that is.'),
  ]
}

function listRoute(desk: JobDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/jobs',
    access: read,
    operationId: 'listJobs',
    tag: jobsTag,
    summary: 'All jobs',
    description: 'The newest first, those that have ended too.',
    query: listQuery,
    responses: {
      200: {
        description: 'The jobs.',
        schema: z.object({ jobs: z.array(jobSchema) }),
        example: { jobs: [jobExample] },
      },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const { kind, state } = readQuery(call, listQuery)
      const jobs = (await desk.list()).filter(
        job => (kind ?? job.kind) === job.kind && (state ?? job.state) === job.state,
      )
      return { status: 200, body: { jobs: jobs.map(viewOfJob) } }
    },
  }
}

function showRoute(desk: JobDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/jobs/{id}',
    access: read,
    operationId: 'getJob',
    tag: jobsTag,
    summary: 'One job',
    description: 'Its state, how far it is and how long it may still take.',
    params: jobParams,
    responses: { 200: { description: 'The job.', schema: jobSchema, example: jobExample } },
    problems: ['not_found'],
    handle: async call => ({ status: 200, body: viewOfJob(await jobOf(desk, call)) }),
  }
}

function reportRoute(desk: JobDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/jobs/{id}/report',
    access: read,
    operationId: 'getJobReport',
    tag: jobsTag,
    summary: 'What became of a job',
    description: 'The job, and its report as of now; what a report holds depends on the kind of the job.',
    params: jobParams,
    responses: {
      200: {
        description: 'The job and its report.',
        schema: z.object({ job: jobSchema, report: z.unknown() }),
        example: { job: jobExample, report: { counts: { published: 400 } } },
      },
    },
    problems: ['not_found'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const job = await jobOf(desk, call)
      return { status: 200, body: { job: viewOfJob(job), report: await desk.report(job) } }
    },
  }
}

const pastOf = { start: 'started', pause: 'paused', resume: 'resumed', cancel: 'cancelled' } as const

interface Act {
  readonly act: JobAct
  readonly summary: string
  readonly description: string
}

function actRoute(desk: JobDesk, audit: AuditTrail, { act, summary, description }: Act): ApiRoute {
  return {
    method: 'POST',
    path: `/v1/jobs/{id}/${act}`,
    audits: [`job.${pastOf[act]}`],
    access: operate,
    operationId: `${act}Job`,
    tag: jobsTag,
    summary,
    description: `${description} Doing it again changes nothing.`,
    params: jobParams,
    responses: { 200: { description: 'The job.', schema: jobSchema, example: jobExample } },
    problems: ['not_found', 'job_not_in_state'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const answer = await desk.act(act, call.params['id'] ?? '', job =>
        audit.record({
          caller: call.caller,
          act: `job.${pastOf[act]}`,
          object: { kind: 'job', id: job.job_id },
          before: { kind: job.kind, state: job.state, done: job.progress.done },
        }),
      )
      switch (answer.kind) {
        case 'ok':
          return { status: 200, body: viewOfJob(answer.job) }
        case 'not_found':
          throw noSuchJob()
        case 'not_now':
          throw new Problem('job_not_in_state', answer.detail)
        default:
          return answer satisfies never
      }
    },
  }
}

async function jobOf(desk: JobDesk, call: ApiCall): Promise<JobRecord> {
  const job = await desk.get(call.params['id'] ?? '')
  if (job === undefined) throw noSuchJob()
  return job
}

function noSuchJob(): Problem {
  return new Problem('not_found', 'There is no such job.')
}
