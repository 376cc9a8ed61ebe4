// `weir exceptions redrive` and `weir dead-letters redrive`: shows what the redrive is about, tries it or runs it, and
// tells what came of it.

import { parse as parseYaml } from 'yaml'
import { jsonType } from '../../../schemas/event/media-types.js'
import { parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { JobView } from '../../jobs/job-record.js'
import { describeJob } from '../../jobs/jobs-command.js'
import { watchJob } from '../../jobs/watch-job.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../../terminal/io.js'
import { readSourceFile } from '../../terminal/source-file.js'
import { plainTable } from '../../terminal/table.js'
import { type FilterOptions, filterOfOptions } from '../filter-options.js'
import type { DryRunGroup } from './dry-run.js'
import type { RedrivePreview } from './preview.js'

/** Keys with their values, as they are written on a command line. */
export type Pairs = readonly (readonly [string, string])[]

export interface RedriveArguments extends GatewayArguments, FilterOptions {
  /** Of the route. */
  readonly path: string
  readonly filter?: Pairs
  readonly transform?: string
  readonly set?: Pairs
  readonly rate?: number
  readonly reason?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

interface Redrive {
  readonly job: JobView
  readonly preview: RedrivePreview
}

export async function redriveCommand(args: RedriveArguments, io: CliIo): Promise<number> {
  const { gateway, json, path, dryRun = false, yes = false } = args
  let isWell = true
  const code = await answer(io, async () => {
    const body = await bodyOf(args)
    const redrive = await send<Redrive>(gateway, path, body)
    if (!json) io.stdout.write(describePreview(redrive.preview))
    if (!dryRun && !yes) {
      const { job_id: id } = redrive.job
      io.stdout.write(
        json ? `${JSON.stringify(redrive)}\n` : `Nothing was sent. To start it: weir jobs start ${id}\n`,
      )
      return
    }
    const job = await watchJob(gateway, redrive.job.job_id, io, json)
    isWell = job.state === 'done'
    const { report } = await callGateway<{ report: unknown }>(
      gateway,
      `/v1/jobs/${encodeURIComponent(job.job_id)}/report`,
    )
    if (json) io.stdout.write(`${JSON.stringify({ ...redrive, job, report })}\n`)
    else if (dryRun) io.stdout.write(describeDryRun(report as { groups: Record<string, DryRunGroup> }))
    else io.stdout.write(`${describeJob(job)}What became of them: weir jobs report ${job.job_id}\n`)
  })
  return code === exitCodes.ok && !isWell ? exitCodes.failed : code
}

export async function undoRedriveCommand(
  { gateway, json, job: redrive }: GatewayArguments & { readonly job: string },
  io: CliIo,
): Promise<number> {
  let isWell = true
  const code = await answer(io, async () => {
    const path = `/v1/exceptions/redrive/${encodeURIComponent(redrive)}/undo`
    const started = await send<JobView>(gateway, path, {})
    const job = await watchJob(gateway, started.job_id, io, json)
    isWell = job.state === 'done'
    io.stdout.write(json ? `${JSON.stringify(job)}\n` : describeJob(job))
  })
  return code === exitCodes.ok && !isWell ? exitCodes.failed : code
}

async function bodyOf(args: RedriveArguments): Promise<object> {
  const { transform, set = [], rate, reason, dryRun = false, yes = false } = args
  const steps = transform === undefined ? [] : await stepsOf(transform)
  const setting = set.map(([field, value]) => ({ step: 'set', field, value: jsonOrText(value) }))
  return {
    filter: filterOf(args),
    transform: Array.isArray(steps) ? [...steps, ...setting] : steps,
    ...(rate === undefined ? {} : { rate }),
    ...(reason === undefined ? {} : { reason }),
    dry_run: dryRun,
    start: yes || dryRun,
  }
}

/** What was said by options and by `--filter`; several values of one key are alternatives. */
function filterOf(args: RedriveArguments): object {
  const filter = filterOfOptions(args)
  for (const [key, value] of args.filter ?? []) {
    const before = filter[key]
    filter[key] = before === undefined ? value : [before, value].flat()
  }
  return filter
}

/** A JSON file keeps the digits of its numbers; in YAML write long numbers as texts. */
async function stepsOf(file: string): Promise<unknown> {
  const source = await readSourceFile(file)
  if (source.kind === 'unreadable') throw new Error(`${file}: ${source.problem.message}`)
  const json = parseJson(source.text)
  if (json.kind === 'ok') return json.value
  try {
    return parseYaml(source.text) as unknown
  } catch (cause) {
    throw new Error(`${file} is neither JSON nor YAML: ${(cause as Error).message}`, { cause })
  }
}

/** JSON where it is JSON, such as 0 or "0"; else the text. */
function jsonOrText(text: string): unknown {
  const json = parseJson(text)
  return json.kind === 'ok' ? json.value : text
}

function send<T>(gateway: Gateway, path: string, body: object): Promise<T> {
  const headers = { 'content-type': jsonType }
  return callGateway<T>(gateway, path, { method: 'POST', headers, body: stringifyJson(body) })
}

function describePreview({ count, groups, examples }: RedrivePreview): string {
  if (count === 0) return 'No exception is meant by this filter.\n'
  const rows = groups.map(one => [one.group, String(one.count), String(one.customers), moneyOf(one.money)])
  const head = ['group', 'exceptions', 'customers', 'money at stake']
  const table = plainTable(head, ['left', 'right', 'right', 'left'], rows)
  const shown = examples
    .slice(0, 6)
    .map(({ before, after, left, exception_id: id }) =>
      left === null
        ? `  ${[...new Set([before, after].map(one => JSON.stringify(one)))].join('\n  → ')}`
        : `  ${id} is left alone, ${left.code}: ${left.detail}`,
    )
  return `${count} exceptions:\n${table}\n${shown.join('\n')}\n`
}

function moneyOf({ at_stake, not_known, not_counted }: RedrivePreview['groups'][number]['money']): string {
  const sums = at_stake.map(({ currency, amount }) => `${amount} ${currency}`)
  const rest = not_known + not_counted
  return [...sums, ...(rest === 0 ? [] : [`${rest} not known`])].join(', ')
}

function describeDryRun({ groups }: { readonly groups: Readonly<Record<string, DryRunGroup>> }): string {
  const listed = (counted: Readonly<Record<string, number | string>>): string =>
    Object.entries(counted)
      .map(([name, one]) => `${one} ${name}`)
      .join(', ') || '0'
  const rows = Object.entries(groups).map(([group, of]) => [
    group,
    String(of.exceptions),
    String(of.rated),
    listed(of.amounts),
    String(of.waiting),
    listed(of.failed),
    listed(of.left),
  ])
  const head = ['group', 'exceptions', 'would be rated', 'for', 'would wait', 'would fail', 'left alone']
  const aligns = ['left', 'right', 'right', 'left', 'right', 'left', 'left'] as const
  return `Nothing was sent. On a copy of the state:\n${plainTable(head, aligns, rows)}\n`
}
