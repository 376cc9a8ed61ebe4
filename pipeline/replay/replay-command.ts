// `weir replay` and `weir catalog diff`: begin the job at a running Weir, follow it, and print what it found.
// Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 78 the catalog is not valid.

import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { jsonType } from '../../schemas/event/media-types.js'
import type { JobView } from '../jobs/job-record.js'
import { watchJob } from '../jobs/watch-job.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { describeCatalogProblem, readCatalogFile } from '../terminal/source-file.js'
import { csvOfDifferences } from './csv.js'
import { describeReplay } from './describe-replay.js'
import type { ReplayReport } from './replay-report.js'
import type { CustomerLine, DifferenceLine } from './replay-store.js'

export interface Shown extends GatewayArguments {
  readonly customer?: string
  readonly format?: 'table' | 'csv' | 'json'
  readonly by?: DifferenceLine['by']
  readonly reason?: string
  readonly detach?: boolean
}

export interface ReplayArguments extends Shown {
  readonly from: string
  readonly until: string
  readonly catalog?: string
  readonly source: 'auto' | 'input' | 'history'
}

export interface DiffArguments extends Shown {
  readonly file: string
  readonly month?: string
}

export async function replayCommand(args: ReplayArguments, io: CliIo): Promise<number> {
  const catalog = args.catalog === undefined ? {} : await catalogOf(args.catalog, io)
  if (catalog === undefined) return exitCodes.badConfiguration
  const { from, until, source } = args
  return run(args, '/v1/replays', { from, until, source, ...catalog }, io)
}

export async function catalogDiffCommand(args: DiffArguments, io: CliIo): Promise<number> {
  const catalog = await catalogOf(args.file, io)
  if (catalog === undefined) return exitCodes.badConfiguration
  const month = args.month === undefined ? {} : { month: args.month }
  return run(args, '/v1/catalog-diffs', { ...catalog, ...month }, io)
}

async function catalogOf(file: string, io: CliIo): Promise<{ readonly catalog: object } | undefined> {
  const parsed = await readCatalogFile(file)
  if (parsed.kind === 'ok') return { catalog: catalogToWire(parsed.catalog) }
  for (const problem of parsed.problems) {
    io.stderr.write(`${describeCatalogProblem(problem)} (${problem.code})\n`)
  }
  return undefined
}

async function run(args: Shown, path: string, asked: object, io: CliIo): Promise<number> {
  const { gateway, customer, reason } = args
  const format = args.json ? 'json' : (args.format ?? 'table')
  let isDone = false
  const code = await answer(io, async () => {
    const body = JSON.stringify({
      ...asked,
      ...(customer === undefined ? {} : { customer_id: customer }),
      ...(reason === undefined ? {} : { reason }),
    })
    const headers = { 'content-type': jsonType }
    const begun = await callGateway<JobView>(gateway, path, { method: 'POST', headers, body })
    if (args.detach === true) {
      isDone = true
      io.stdout.write(args.json ? `${JSON.stringify(begun)}\n` : `${begun.job_id}\n`)
      return
    }
    const job = await watchJob(gateway, begun.job_id, io, args.json)
    isDone = job.state === 'done'
    if (!isDone) {
      const why = job.failure === null ? '' : ` ${job.failure.code}: ${job.failure.detail}`
      io.stderr.write(`The job ${job.job_id} is ${job.state}.${why}\n`)
      return
    }
    await print(gateway, job, format, args.by ?? 'customer', io)
  })
  return code === exitCodes.ok && !isDone ? exitCodes.failed : code
}

async function print(
  gateway: Gateway,
  job: JobView,
  format: NonNullable<Shown['format']>,
  by: DifferenceLine['by'],
  io: CliIo,
): Promise<void> {
  if (format === 'csv') {
    io.stdout.write(csvOfDifferences(by, [], true))
    for await (const lines of differences(gateway, job.job_id, by))
      io.stdout.write(csvOfDifferences(by, lines, false))
    return
  }
  const { report } = await callGateway<{ report: ReplayReport }>(gateway, `/v1/jobs/${job.job_id}/report`)
  const customers: CustomerLine[] = []
  for await (const lines of differences(gateway, job.job_id, 'customer')) {
    customers.push(...lines.filter(line => line.by === 'customer'))
  }
  if (format === 'table') {
    io.stdout.write(describeReplay(job.job_id, report, customers))
    return
  }
  const charges: DifferenceLine[] = []
  for await (const lines of differences(gateway, job.job_id, 'charge')) charges.push(...lines)
  io.stdout.write(`${JSON.stringify({ job_id: job.job_id, ...report, customers, charges })}\n`)
}

async function* differences(
  gateway: Gateway,
  jobId: string,
  by: DifferenceLine['by'],
): AsyncGenerator<readonly DifferenceLine[]> {
  let after: string | null = null
  do {
    const query: string = `by=${by}${after === null ? '' : `&after=${after}`}`
    const page = await callGateway<{ differences: DifferenceLine[]; next: string | null }>(
      gateway,
      `/v1/replays/${jobId}/differences?${query}`,
    )
    yield page.differences
    after = page.next
  } while (after !== null)
}
