// `weir sinks ls|pause|resume|mode`: the feeds and connections of a running Weir.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type Gateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { SinkView } from './shapes.js'

export interface SteerArguments extends GatewayArguments {
  readonly sink: string
  readonly act: 'pause' | 'resume' | 'mode'
  readonly body: object
}

export function listSinksCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const { sinks } = await callGateway<{ sinks: readonly SinkView[] }>(gateway, '/v1/sinks')
    io.stdout.write(json ? `${JSON.stringify(sinks)}\n` : describeSinks(sinks))
  })
}

export function steerSinkCommand(
  { gateway, json, sink, act, body }: SteerArguments,
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const path = `/v1/sinks/${encodeURIComponent(sink)}/${act}`
    const view = await post<SinkView>(gateway, path, body)
    io.stdout.write(json ? `${JSON.stringify(view)}\n` : describeSinks([view]))
  })
}

export function post<T>(gateway: Gateway, path: string, body: object): Promise<T> {
  const headers = { 'content-type': jsonType }
  return callGateway<T>(gateway, path, { method: 'POST', headers, body: JSON.stringify(body) })
}

function describeSinks(sinks: readonly SinkView[]): string {
  const rows = sinks.map(sink => [
    sink.sink,
    sink.stream,
    sink.state,
    sink.rollout === null ? '' : sink.rollout.mode + (sink.rollout.set === null ? '' : ' *'),
    sink.behind === null ? '' : String(sink.behind),
    sink.in_hand === null ? '' : String(sink.in_hand.open),
    heldOf(sink),
    String(sink.refused),
    sink.hold?.detail ?? sink.detail,
  ])
  const head = ['sink', 'stream', 'state', 'mode', 'behind', 'open', 'held', 'refused', 'why']
  const aligns = ['left', 'left', 'left', 'left', 'right', 'right', 'left', 'right', 'left'] as const
  const note = sinks.some(({ rollout }) => rollout?.set != null) ? '* set by command\n' : ''
  return `${plainTable(head, aligns, rows)}\n${note}`
}

/** "3 frozen, 2 not_on_allow_list" */
function heldOf({ in_hand }: SinkView): string {
  const held = Object.entries(in_hand?.held ?? {}).filter(([, count]) => count > 0)
  return held.map(([code, count]) => `${count} ${code}`).join(', ')
}
