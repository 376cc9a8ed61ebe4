// `weir mode` and `weir freeze ls|add|rm`.

import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import { post } from './sinks-command.js'

interface ModeWire {
  readonly mode: string
  readonly notes: readonly string[]
}

interface WindowWire {
  readonly name: string
  readonly entity?: string
  readonly mode: string
  readonly reason: string
  readonly from?: string
  readonly until?: string
  readonly time_zone?: string
  readonly every_month?: { readonly from: MomentWire; readonly until: MomentWire }
  readonly is_open: boolean
  readonly changes_at: string | null
  readonly set: { readonly by: string } | null
}

interface MomentWire {
  readonly day: number
  readonly at: string
}

export interface ModeArguments extends GatewayArguments {
  readonly change?: { readonly mode: string; readonly reason: string }
}

export interface WindowOptions {
  readonly from?: string
  readonly until?: string
  readonly fromDay?: string
  readonly fromTime?: string
  readonly untilDay?: string
  readonly untilTime?: string
  readonly timeZone?: string
  readonly entity?: string
  readonly mode?: string
  readonly reason?: string
}

export function modeCommand({ gateway, json, change }: ModeArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const mode =
      change === undefined
        ? await callGateway<ModeWire>(gateway, '/v1/mode')
        : await post<ModeWire>(gateway, '/v1/mode', change)
    if (json) io.stdout.write(`${JSON.stringify(mode)}\n`)
    else io.stdout.write(`${[mode.mode, ...mode.notes.map(note => `  ${note}`)].join('\n')}\n`)
  })
}

export function listWindowsCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const { freeze_windows: windows } = await callGateway<{ freeze_windows: readonly WindowWire[] }>(
      gateway,
      '/v1/freeze-windows',
    )
    io.stdout.write(json ? `${JSON.stringify(windows)}\n` : describeWindows(windows))
  })
}

export function addWindowCommand(
  { gateway, json, window }: GatewayArguments & { readonly window: object },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const added = await post<WindowWire>(gateway, '/v1/freeze-windows', window)
    io.stdout.write(json ? `${JSON.stringify(added)}\n` : describeWindows([added]))
  })
}

export function removeWindowCommand(
  { gateway, json, name }: GatewayArguments & { readonly name: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const path = `/v1/freeze-windows/${encodeURIComponent(name)}`
    const removed = await callGateway<WindowWire>(gateway, path, { method: 'DELETE' })
    io.stdout.write(json ? `${JSON.stringify(removed)}\n` : `The window ${removed.name} is removed.\n`)
  })
}

/** The body of the request; what is missing or wrong is told by the gateway. */
export function windowOf(name: string, options: WindowOptions): object {
  const { from, until, fromDay, fromTime, untilDay, untilTime, timeZone, entity, mode, reason } = options
  const terms = given({ name, entity, mode, reason })
  if (fromDay === undefined && untilDay === undefined) return { ...terms, ...given({ from, until }) }
  const moment = (day: string | undefined, at: string | undefined) =>
    given({ day: day === undefined ? undefined : Number(day), at })
  const every_month = { from: moment(fromDay, fromTime), until: moment(untilDay, untilTime) }
  return { ...terms, ...given({ time_zone: timeZone }), every_month }
}

function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function describeWindows(windows: readonly WindowWire[]): string {
  if (windows.length === 0) return 'There are no freeze windows.\n'
  const rows = windows.map(window => [
    window.name,
    window.entity ?? 'all',
    window.mode,
    timesOf(window),
    window.is_open ? 'open' : 'closed',
    window.changes_at ?? 'never',
    window.set?.by ?? 'configuration',
    window.reason,
  ])
  const head = ['window', 'entity', 'mode', 'times', 'now', 'until', 'set by', 'reason']
  return `${plainTable(
    head,
    head.map(() => 'left' as const),
    rows,
  )}\n`
}

function timesOf({ from, until, every_month: monthly, time_zone: zone }: WindowWire): string {
  if (monthly === undefined) return `${from} to ${until}`
  const words = ({ day, at }: MomentWire) => `day ${day} ${at}`
  return `${words(monthly.from)} to ${words(monthly.until)} ${zone}`
}
