// `weir rebuild clickhouse`: begin the job at a running Weir, follow it, and print where the tables differed.

import { jsonType } from '../../schemas/event/media-types.js'
import type { JobView } from '../jobs/job-record.js'
import { watchJob } from '../jobs/watch-job.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { RebuildReport } from './rebuild-report.js'

export interface RebuildArguments extends GatewayArguments {
  readonly table?: readonly string[]
  readonly reason?: string
  readonly detach?: boolean
}

export async function rebuildCommand(args: RebuildArguments, io: CliIo): Promise<number> {
  const { gateway, json, table, reason } = args
  let isDone = false
  const code = await answer(io, async () => {
    const body = JSON.stringify({
      ...(table === undefined ? {} : { tables: table }),
      ...(reason === undefined ? {} : { reason }),
    })
    const headers = { 'content-type': jsonType }
    const begun = await callGateway<JobView>(gateway, '/v1/rebuilds', { method: 'POST', headers, body })
    if (args.detach === true) {
      isDone = true
      io.stdout.write(json ? `${JSON.stringify(begun)}\n` : `${begun.job_id}\n`)
      return
    }
    const job = await watchJob(gateway, begun.job_id, io, json)
    isDone = job.state === 'done'
    const { report } = await callGateway<{ report: RebuildReport }>(gateway, `/v1/jobs/${job.job_id}/report`)
    io.stdout.write(json ? `${JSON.stringify({ job, report })}\n` : describe(report))
    if (isDone) return
    const why = job.failure === null ? '' : ` ${job.failure.code}: ${job.failure.detail}`
    io.stderr.write(`The job ${job.job_id} is ${job.state}.${why}\n`)
  })
  return code === exitCodes.ok && !isDone ? exitCodes.failed : code
}

function describe({ tables, waiting }: RebuildReport): string {
  const rows = tables.map(({ table, rows_before, rows_after, differences }) => [
    table,
    String(rows_before),
    String(rows_after),
    differences.length === 0 ? 'the same' : differences.map(differenceText).join('; '),
  ])
  const head = ['table', 'rows before', 'rows after', 'the old one was']
  const parts = rows.length === 0 ? [] : [plainTable(head, ['left', 'right', 'right', 'left'], rows)]
  if (waiting.length > 0) parts.push(`Left as they are: ${waiting.join(', ')}.`)
  return `${parts.join('\n\n')}\n`
}

function differenceText({
  partition,
  rows_before: before,
  rows_after: after,
  has_other_values: isOther,
}: RebuildReport['tables'][number]['differences'][number]): string {
  const where = partition === null ? '' : `partition ${partition}: `
  if (isOther) return `${where}other values`
  return before < after ? `${where}${after - before} rows short` : `${where}${before - after} rows too many`
}
