// `weir releases create` and `weir periods ls|close|reopen`, against a running Weir.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'

interface ReleaseWire {
  readonly release_id: string | null
  readonly status: string
  readonly until: string
  readonly totals: readonly {
    readonly entity_id: string
    readonly currency: string
    readonly accounting_period: string
    readonly entries: number
    readonly revenue: string
  }[]
}

interface PeriodWire {
  readonly entity_id: string
  readonly period: string
  readonly first: string
  readonly last: string
  readonly state: string
  readonly over: boolean
  readonly last_change: {
    readonly at: string
    readonly by: { readonly name: string } | null
    readonly reason: string | null
  } | null
  readonly entries: number
  readonly moved_in: number
}

interface CloseWire {
  readonly state: string
  readonly over: boolean
  readonly blockers: readonly { readonly kind: string; readonly id: string; readonly detail: string }[]
}

function post<T>(gateway: Gateway, path: string, body: unknown): Promise<T> {
  const headers = { 'content-type': jsonType }
  return callGateway<T>(gateway, path, { method: 'POST', headers, body: JSON.stringify(body) })
}

export function createReleasesCommand(
  args: GatewayArguments & { readonly until: string; readonly entity?: string; readonly preview?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, until, entity, preview = false } = args
  return answer(io, async () => {
    const body = { until, preview, ...(entity === undefined ? {} : { entity_id: entity }) }
    const release = await post<ReleaseWire>(gateway, '/v1/releases', body)
    io.stdout.write(json ? `${JSON.stringify(release)}\n` : describeRelease(release))
  })
}

function describeRelease({ release_id, status, until, totals }: ReleaseWire): string {
  const head =
    release_id === null
      ? `Preview: earned by ${until} and not posted yet; nothing is posted`
      : `Releases ${release_id} until ${until}: ${status}`
  if (totals.length === 0) return `${head}\nNothing is due.\n`
  const rows = totals.map(one => [
    one.entity_id || '(none)',
    one.currency,
    one.accounting_period,
    String(one.entries),
    one.revenue,
  ])
  const table = plainTable(
    ['entity', 'currency', 'period', 'entries', 'revenue'],
    ['left', 'left', 'left', 'right', 'right'],
    rows,
  )
  return `${head}\n${table}\n`
}

export function listPeriodsCommand(
  { gateway, json, entity }: GatewayArguments & { readonly entity?: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const query = entity === undefined ? '' : `?entity_id=${encodeURIComponent(entity)}`
    const { periods } = await callGateway<{ periods: readonly PeriodWire[] }>(gateway, `/v1/periods${query}`)
    io.stdout.write(json ? `${JSON.stringify(periods)}\n` : describePeriods(periods))
  })
}

function describePeriods(periods: readonly PeriodWire[]): string {
  if (periods.length === 0) return 'Nothing is posted yet, and no period is closed.\n'
  const rows = periods.map(one => [
    one.entity_id || '(none)',
    one.period,
    one.first,
    one.last,
    one.over || one.state === 'closed' ? one.state : `${one.state}, not over`,
    String(one.entries),
    String(one.moved_in),
    one.last_change?.at ?? '',
    one.last_change?.by?.name ?? '',
    one.last_change?.reason ?? '',
  ])
  const head = ['entity', 'period', 'first', 'last', 'state', 'entries', 'moved in', 'since', 'by', 'reason']
  const sides = ['left', 'left', 'left', 'left', 'left', 'right', 'right', 'left', 'left', 'left'] as const
  return `${plainTable(head, sides, rows)}\n`
}

/** Asks first what keeps it open, so that all of that is shown, and not the first alone. One that is not over is refused for that. */
export function closePeriodCommand(
  args: GatewayArguments & { readonly period: string; readonly entity: string; readonly preview?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, period, entity, preview = false } = args
  return answer(io, async () => {
    const body = { entity_id: entity, period }
    const looked = await post<CloseWire>(gateway, '/v1/periods/close', { ...body, preview: true })
    const isFree = looked.blockers.length === 0
    const isAsked = !preview && (isFree || !looked.over)
    const closed = isAsked ? await post<CloseWire>(gateway, '/v1/periods/close', body) : looked
    const of = `${period} of entity ${entity || '(none)'}`
    const blockers = closed.blockers.map(one => [one.kind, one.id, one.detail])
    const text =
      blockers.length > 0
        ? `${of} stays open. Not settled:\n${plainTable(['what', 'id', 'why'], ['left', 'left', 'left'], blockers)}\n`
        : preview
          ? `Nothing keeps ${of} open${closed.over ? '' : ', but its last day, which is not over'}.\n`
          : `${of} is closed.\n`
    io.stdout.write(json ? `${JSON.stringify(closed)}\n` : text)
    if (!preview && !isFree) throw new Error(`period_not_settled: ${blockers.length} to settle first.`)
  })
}

export function reopenPeriodCommand(
  args: GatewayArguments & { readonly period: string; readonly entity: string; readonly reason: string },
  io: CliIo,
): Promise<number> {
  const { gateway, json, period, entity, reason } = args
  return answer(io, async () => {
    const body = { entity_id: entity, period, reason }
    const opened = await post<CloseWire>(gateway, '/v1/periods/reopen', body)
    const text = `${period} of entity ${entity || '(none)'} is open.\n`
    io.stdout.write(json ? `${JSON.stringify(opened)}\n` : text)
  })
}
