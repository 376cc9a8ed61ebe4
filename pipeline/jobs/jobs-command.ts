// The commands of jobs of a running Weir.

import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { JobView } from './job-record.js'
import { readJob, watchJob } from './watch-job.js'

interface OneJob extends GatewayArguments {
  readonly id: string
}

export function listJobsCommand(
  { gateway, json, kind, state }: GatewayArguments & { readonly kind?: string; readonly state?: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const query = new URLSearchParams()
    if (kind !== undefined) query.set('kind', kind)
    if (state !== undefined) query.set('state', state)
    const { jobs } = await callGateway<{ jobs: readonly JobView[] }>(gateway, `/v1/jobs?${query}`)
    io.stdout.write(json ? `${JSON.stringify(jobs)}\n` : describeJobs(jobs))
  })
}

export function showJobCommand({ gateway, json, id }: OneJob, io: CliIo): Promise<number> {
  return answer(io, async () => show(await readJob(gateway, id), json, io))
}

/** Exit code 1 also when the job ended otherwise than done. */
export async function watchJobCommand({ gateway, json, id }: OneJob, io: CliIo): Promise<number> {
  let isDone = false
  const code = await answer(io, async () => {
    const job = await watchJob(gateway, id, io, json)
    isDone = job.state === 'done'
    show(job, json, io)
  })
  return code === exitCodes.ok && !isDone ? exitCodes.failed : code
}

export function reportJobCommand({ gateway, id }: OneJob, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const report = await callGateway<unknown>(gateway, `/v1/jobs/${encodeURIComponent(id)}/report`)
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  })
}

export function actOnJobCommand(
  { gateway, json, id, act }: OneJob & { readonly act: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const path = `/v1/jobs/${encodeURIComponent(id)}/${act}`
    show(await callGateway<JobView>(gateway, path, { method: 'POST' }), json, io)
  })
}

function show(job: JobView, json: boolean, io: CliIo): void {
  io.stdout.write(json ? `${JSON.stringify(job)}\n` : describeJob(job))
}

/** For people, some lines. */
export function describeJob(job: JobView): string {
  const { failure, trouble } = job
  const approval = heldBy(job)
  return [
    `Job ${job.job_id} (${job.kind}): ${job.state}${job.reason === null ? '' : `, ${job.reason}`}`,
    `  ${progressOf(job)}`,
    ...Object.entries(job.counts).map(([name, count]) => `  ${name.replaceAll('_', ' ')}: ${count}`),
    ...(approval === null ? [] : [`  waits for a second person: weir approvals show ${approval}`]),
    ...(failure === null ? [] : [`  ${failure.code}: ${failure.detail}`]),
    ...(trouble === null ? [] : [`  since ${trouble.since}: ${trouble.detail}`]),
    '',
  ].join('\n')
}

/** The approval that a job which is to run waits for. */
function heldBy({ state, approval_id }: JobView): string | null {
  return state === 'running' ? approval_id : null
}

function progressOf({ progress, estimated_seconds_left: left }: JobView): string {
  const { done, total, unit, rate_per_second: rate } = progress
  const of = total === null ? '' : ` of ${total}`
  const speed = rate === null ? '' : `, ${Number(rate.toPrecision(3))} a second`
  return `${done}${of} ${unit}${speed}${left === null ? '' : `, about ${left} s left`}`
}

function describeJobs(jobs: readonly JobView[]): string {
  if (jobs.length === 0) return 'There are no jobs.\n'
  const rows = jobs.map(job => [
    job.job_id,
    job.kind,
    heldBy(job) === null ? job.state : `${job.state}, waits for approval`,
    progressOf(job),
    job.created_at,
    job.requested_by.key_name ?? '',
  ])
  const head = ['job', 'kind', 'state', 'progress', 'asked for', 'by']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'left', 'left'], rows)}\n`
}
