// The work of `weir sources …` that talks to a running Weir: for people and scripts.

import { jsonType } from '../../schemas/event/media-types.js'
import type { JobView } from '../jobs/job-record.js'
import { describeJob } from '../jobs/jobs-command.js'
import { watchJob } from '../jobs/watch-job.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { harmlessText } from '../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { ArrivalEventView, ArrivalView } from './read-arrivals.js'
import type { RerunExample } from './rerun.js'
import type { SourceView } from './source-routes.js'

export function listCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<{ readonly sources: readonly SourceView[] }>(gateway, '/v1/sources')
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeSources(found.sources))
  })
}

function describeSources(sources: readonly SourceView[]): string {
  if (sources.length === 0) return 'No source is configured.\n'
  const rows = sources.map(
    ({ source, kind, arrivals, behind, states, waiting, revision, trouble, listening }) => [
      source,
      listening === null ? kind : `${kind} (${listening.state})`,
      String(arrivals),
      String(behind),
      String(states['mapped'] ?? 0),
      String(states['ignored'] ?? 0),
      String(states['superseded'] ?? 0),
      String(waiting),
      String(revision),
      trouble === null ? '' : `${trouble.code}: ${trouble.detail}`,
    ],
  )
  const head = [
    'source',
    'kind',
    'arrivals',
    'behind',
    'mapped',
    'ignored',
    'superseded',
    'waiting',
    'revision',
    'trouble',
  ]
  const aligns = head.map((_, column) => (column > 1 && column < 9 ? ('right' as const) : ('left' as const)))
  return `${plainTable(head, aligns, rows)}\n`
}

export interface ShowArguments extends GatewayArguments {
  readonly source: string
  readonly arrival: string | undefined
  readonly state?: string
  readonly limit?: number
}

export function showCommand(args: ShowArguments, io: CliIo): Promise<number> {
  const { gateway, json, source, arrival, state, limit = 20 } = args
  const path = `/v1/sources/${encodeURIComponent(source)}/arrivals`
  return answer(io, async () => {
    if (arrival !== undefined) {
      const one = await callGateway<OneArrival>(gateway, `${path}/${encodeURIComponent(arrival)}`)
      io.stdout.write(json ? `${JSON.stringify(one)}\n` : describeOne(one))
      return
    }
    const query = new URLSearchParams({ limit: String(limit), ...(state === undefined ? {} : { state }) })
    const found = await callGateway<{ readonly arrivals: readonly ArrivalView[] }>(
      gateway,
      `${path}?${query}`,
    )
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeArrivals(found.arrivals))
  })
}

interface OneArrival {
  readonly arrival: ArrivalView
  readonly events: readonly ArrivalEventView[]
  readonly body?: string
}

function describeArrivals(arrivals: readonly ArrivalView[]): string {
  if (arrivals.length === 0) return 'No arrival.\n'
  const rows = arrivals.map(one => [
    one.received_at,
    one.state,
    one.type,
    one.arrival_id,
    String(one.events),
    [one.code, one.detail]
      .filter(text => text !== '')
      .join(': ')
      .slice(0, 120),
  ])
  const head = ['received', 'state', 'type', 'arrival', 'events', 'why']
  return `${plainTable(head, ['left', 'left', 'left', 'left', 'right', 'left'], rows)}\n`
}

function describeOne({ arrival, events, body }: OneArrival): string {
  const { arrival_id, type, state, via, received_at, occurred_at, code, detail, superseded_by } = arrival
  const lines = [
    `${arrival_id}: ${type}, ${state}${code === '' ? '' : ` (${code})`}`,
    `happened ${occurred_at}, received ${received_at} by ${via}`,
    ...(detail === '' ? [] : [detail]),
    ...(superseded_by === '' ? [] : [`superseded by ${superseded_by}`]),
    ...events.map(({ type: of, id, customer_id }) => `event ${of} ${id} of ${customer_id}`),
    ...(body === undefined ? [] : ['', body]),
  ]
  return `${lines.map(harmlessText).join('\n')}\n`
}

export function retryCommand(
  args: GatewayArguments & {
    readonly source: string
    readonly arrivals: readonly string[]
    readonly reason: string
  },
  io: CliIo,
): Promise<number> {
  const { gateway, json, source, arrivals, reason } = args
  return answer(io, async () => {
    const body = { reason, ...(arrivals.length === 0 ? {} : { arrivals }) }
    const path = `/v1/sources/${encodeURIComponent(source)}/retry`
    const done = await callGateway<{ tried: number; waiting: number }>(gateway, path, post(body))
    const text = `${done.tried} tried, ${done.waiting} wait on.\n`
    io.stdout.write(json ? `${JSON.stringify(done)}\n` : text)
  })
}

export async function rerunCommand(
  args: GatewayArguments & {
    readonly source: string
    readonly from: string
    readonly until: string
    readonly reason: string
    readonly yes: boolean
  },
  io: CliIo,
): Promise<number> {
  const { gateway, json, source, from, until, reason, yes } = args
  let isWell = true
  const code = await answer(io, async () => {
    const path = `/v1/sources/${encodeURIComponent(source)}/rerun`
    const started = await callGateway<JobView>(gateway, path, post({ from, until, reason, dry_run: !yes }))
    const job = await watchJob(gateway, started.job_id, io, json)
    isWell = job.state === 'done'
    const { report } = await callGateway<{ report: { readonly examples: readonly RerunExample[] } }>(
      gateway,
      `/v1/jobs/${encodeURIComponent(job.job_id)}/report`,
    )
    if (json) io.stdout.write(`${JSON.stringify({ job, report })}\n`)
    else io.stdout.write(`${describeJob(job)}${describeExamples(report.examples)}${yes ? '' : dryWords}`)
  })
  return code === exitCodes.ok && !isWell ? exitCodes.failed : code
}

const dryWords = 'Nothing was sent: say --yes to send what differs.\n'

function describeExamples(examples: readonly RerunExample[]): string {
  return examples
    .map(({ arrival_id, what, event_id, after }) =>
      harmlessText(`${what} ${event_id || arrival_id}: ${JSON.stringify(after).slice(0, 300)}`),
    )
    .map(text => `${text}\n`)
    .join('')
}

function post(body: object): RequestInit {
  return { method: 'POST', headers: { 'content-type': jsonType }, body: JSON.stringify(body) }
}
