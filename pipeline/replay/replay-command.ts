// `weir replay`, and the month of `weir catalog diff`: begin the job at a running Weir and follow it, or replay in this process; then
// print what was found.
// Exit codes: 0 done, 1 failed or refused, 2 wrong usage, 78 the catalog is not valid.

import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { jsonType } from '../../schemas/event/media-types.js'
import type { CommandLine } from '../feature/command-line.js'
import type { JobView } from '../jobs/job-record.js'
import { watchJob } from '../jobs/watch-job.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import { describeCatalogProblem, readCatalogFile } from '../terminal/source-file.js'
import { csvOfDifferences } from './csv.js'
import { describeReplay } from './describe-replay.js'
import { type Found, replayHere } from './replay-here.js'
import type { ReplayReport } from './replay-report.js'
import type { AskedReplay } from './replay-request.js'
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
  /** In this process, by this build. */
  readonly here?: boolean
  readonly line: Pick<CommandLine, 'beside' | 'build'>
}

export async function replayCommand(args: ReplayArguments, io: CliIo): Promise<number> {
  if (args.here === true && args.detach === true) {
    io.stderr.write('A replay in this process cannot be detached from it.\n')
    return exitCodes.usage
  }
  const catalog = args.catalog === undefined ? {} : await catalogOf(args.catalog, io)
  if (catalog === undefined) return exitCodes.badConfiguration
  const { from, until, source } = args
  if (args.here === true) return runHere(args, catalog, io)
  return run(args, '/v1/replays', { from, until, source, ...catalog }, io)
}

/** What was printed of the terms before: with JSON it goes into the object. */
export async function catalogDiffAt(
  args: Shown & { readonly month?: string; readonly catalog: object; readonly changes: readonly unknown[] },
  io: CliIo,
): Promise<number> {
  const { month, catalog, changes } = args
  const asked = { catalog, ...(month === undefined ? {} : { month }) }
  return run(args, '/v1/catalog-diffs', asked, io, changes)
}

async function runHere(
  args: ReplayArguments,
  { catalog }: { readonly catalog?: object },
  io: CliIo,
): Promise<number> {
  const { gateway, from, until, source, customer, reason, line } = args
  const asked: AskedReplay = {
    purpose: 'replay',
    ...{ from, until, source },
    ...(customer === undefined ? {} : { customerId: customer }),
    ...(catalog === undefined ? {} : { catalog }),
  }
  const progress = showProgress(io, args.json)
  return answer(io, async () => {
    await print(await replayHere({ gateway, asked, reason, line, progress }), args, io)
  })
}

async function catalogOf(file: string, io: CliIo): Promise<{ readonly catalog?: object } | undefined> {
  const parsed = await readCatalogFile(file)
  if (parsed.kind === 'ok') return { catalog: catalogToWire(parsed.catalog) }
  for (const problem of parsed.problems) {
    io.stderr.write(`${describeCatalogProblem(problem)} (${problem.code})\n`)
  }
  return undefined
}

async function run(
  args: Shown,
  path: string,
  asked: object,
  io: CliIo,
  changes?: readonly unknown[],
): Promise<number> {
  const { gateway, customer, reason } = args
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
    await print(await foundBy(gateway, job.job_id), args, io, changes)
  })
  return code === exitCodes.ok && !isDone ? exitCodes.failed : code
}

async function foundBy(gateway: Gateway, jobId: string): Promise<Found> {
  const { report } = await callGateway<{ report: ReplayReport }>(gateway, `/v1/jobs/${jobId}/report`)
  return {
    origin: { job_id: jobId },
    sentence: `Job ${jobId}.`,
    report,
    differences: by => differences(gateway, jobId, by),
  }
}

/** `changes`: of the catalog, told already to people; then the plans are not told again. */
async function print(found: Found, args: Shown, io: CliIo, changes?: readonly unknown[]): Promise<void> {
  const { origin, sentence, report, differences } = found
  const format = args.json ? 'json' : (args.format ?? 'table')
  if (format === 'csv') {
    const by = args.by ?? 'customer'
    io.stdout.write(csvOfDifferences(by, [], true))
    for await (const lines of differences(by)) io.stdout.write(csvOfDifferences(by, lines, false))
    return
  }
  const customers: CustomerLine[] = []
  for await (const lines of differences('customer')) {
    customers.push(...lines.filter(line => line.by === 'customer'))
  }
  if (format === 'table') {
    const told = changes === undefined ? report : { ...report, plan_changes: [] }
    io.stdout.write(describeReplay(sentence, told, customers))
    return
  }
  const charges: DifferenceLine[] = []
  for await (const lines of differences('charge')) charges.push(...lines)
  const terms = changes === undefined ? {} : { changes }
  io.stdout.write(`${JSON.stringify({ ...terms, ...origin, ...report, customers, charges })}\n`)
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
