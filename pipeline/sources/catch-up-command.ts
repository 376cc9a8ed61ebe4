// The work of `weir sources catch-up` and `weir sources compare`: starts the job, follows it, and tells what it found.

import { jsonType } from '../../schemas/event/media-types.js'
import type { JobView } from '../jobs/job-record.js'
import { describeJob } from '../jobs/jobs-command.js'
import { watchJob } from '../jobs/watch-job.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { harmlessText } from '../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { Difference } from './compare.js'

export interface CatchUpArguments extends GatewayArguments {
  readonly source: string
  readonly from?: string | undefined
  readonly until?: string | undefined
  readonly all?: boolean | undefined
  readonly reason?: string | undefined
}

export async function catchUpCommand(args: CatchUpArguments, io: CliIo): Promise<number> {
  const { gateway, json, source, from, until, all = false, reason } = args
  const body = { from, until, which: all ? 'all' : 'undelivered', reason }
  let isWell = true
  const code = await answer(io, async () => {
    const started = await callGateway<JobView>(gateway, pathOf(source, 'catch-up'), post(body))
    const { objects_because: because } = started.request as { objects_because?: string }
    if (because !== undefined) io.stderr.write(`${because}\n`)
    const job = await watchJob(gateway, started.job_id, io, json)
    isWell = job.state === 'done'
    io.stdout.write(json ? `${JSON.stringify({ job })}\n` : describeJob(job))
  })
  return code === exitCodes.ok && !isWell ? exitCodes.failed : code
}

export async function compareCommand(
  args: GatewayArguments & { readonly source: string; readonly reason?: string | undefined },
  io: CliIo,
): Promise<number> {
  const { gateway, json, source, reason } = args
  let isSame = false
  const code = await answer(io, async () => {
    const started = await callGateway<JobView>(gateway, pathOf(source, 'compare'), post({ reason }))
    const job = await watchJob(gateway, started.job_id, io, json)
    const { report } = await callGateway<{ report: Report }>(
      gateway,
      `/v1/jobs/${encodeURIComponent(job.job_id)}/report`,
    )
    isSame = job.state === 'done' && report.differences.length === 0
    if (json) io.stdout.write(`${JSON.stringify({ job, ...report })}\n`)
    else io.stdout.write(`${describeJob(job)}${describeDifferences(report.differences)}`)
  })
  return code === exitCodes.ok && !isSame ? exitCodes.failed : code
}

interface Report {
  readonly counts: Readonly<Record<string, number>>
  readonly differences: readonly Difference[]
}

function describeDifferences(differences: readonly Difference[]): string {
  if (differences.length === 0) return 'Nothing differs.\n'
  const rows = differences.map(({ what, object, id, our_id, field, theirs, ours }) =>
    [what, object, id, our_id, field, theirs.slice(0, 100), ours.slice(0, 100)].map(harmlessText),
  )
  const head = ['what', 'object', 'theirs', 'ours', 'field', 'value there', 'value here']
  return `${plainTable(
    head,
    head.map(() => 'left' as const),
    rows,
  )}\n`
}

function pathOf(source: string, act: string): string {
  return `/v1/sources/${encodeURIComponent(source)}/${act}`
}

function post(body: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': jsonType }, body: JSON.stringify(body) }
}
