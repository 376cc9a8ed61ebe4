// The work of `weir deliveries …`: for people and scripts.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { oneLine } from '../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { DeliveryView, OneDeliveryView } from './delivery-view.js'
import type { FilterOptions } from './filter-options.js'

interface ListWire {
  readonly deliveries: readonly DeliveryView[]
  readonly next_after: string | null
  readonly behind: number
}

interface AskedWire {
  readonly preview: boolean
  readonly count: number
}

/** Of an attempt, in its table: `why` has those of the last one whole. */
const longestWords = 80
const filterKeys = ['connection', 'state', 'kind', 'record', 'customer', 'entity', 'code'] as const

export function listCommand(
  args: GatewayArguments & FilterOptions & { readonly limit?: number },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const query = new URLSearchParams({ limit: String(args.limit ?? 100) })
    for (const [key, values] of Object.entries(filterOf(args)))
      for (const value of values) query.append(key, value)
    const found = await callGateway<ListWire>(args.gateway, `/v1/deliveries?${query}`)
    io.stdout.write(args.json ? `${JSON.stringify(found)}\n` : describeList(found))
  })
}

export function showCommand(
  { gateway, json, id }: GatewayArguments & { readonly id: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<OneDeliveryView>(gateway, `/v1/deliveries/${encodeURIComponent(id)}`)
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeOne(found))
  })
}

/** Of one delivery. */
export function askCommand(
  args: GatewayArguments & {
    readonly id: string
    readonly act: 'retry' | 'release'
    readonly reason: string
  },
  io: CliIo,
): Promise<number> {
  return askFor(args, { reason: args.reason }, io)
}

/** Either `there` or `absent`: what a person found at the receiver. */
export function settleCommand(
  args: GatewayArguments & {
    readonly id: string
    readonly there?: string
    readonly absent?: boolean
    readonly reason: string
  },
  io: CliIo,
): Promise<number> {
  const { there, absent = false, reason } = args
  if ((there !== undefined) === absent) {
    io.stderr.write('Say either --there with the id that the receiver gave it, or --absent.\n')
    return Promise.resolve(exitCodes.usage)
  }
  const found = there === undefined ? { found: 'absent' } : { found: 'there', external_id: there }
  return askFor({ ...args, act: 'settle' }, { ...found, reason }, io)
}

function askFor(
  { gateway, json, id, act }: GatewayArguments & { readonly id: string; readonly act: string },
  body: object,
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const path = `/v1/deliveries/${encodeURIComponent(id)}/${act}`
    const asked = await post(gateway, path, body)
    const text = `Asked for. \`weir deliveries show ${id}\` says what came of it.\n`
    io.stdout.write(json ? `${JSON.stringify(asked)}\n` : text)
  })
}

/** Without `yes` it says how many. With it, exactly that many are tried again, or none. */
export function retryManyCommand(
  args: GatewayArguments & FilterOptions & { readonly reason: string; readonly yes?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, reason, yes = false } = args
  const filter = filterOf(args)
  if (Object.keys(filter).length === 0) {
    io.stderr.write('Name a delivery, or say which ones, such as with --connection and --code.\n')
    return Promise.resolve(exitCodes.usage)
  }
  return answer(io, async () => {
    const preview = await post(gateway, '/v1/deliveries/retry', { filter, reason, preview: true })
    const more = { filter, reason, expected_count: preview.count }
    const done = yes ? await post(gateway, '/v1/deliveries/retry', more) : preview
    const text = yes
      ? `Asked for: ${done.count} deliveries are tried again.\n`
      : `${done.count} deliveries. Nothing is done yet: say --yes to try them again.\n`
    io.stdout.write(json ? `${JSON.stringify(done)}\n` : text)
  })
}

function post(gateway: GatewayArguments['gateway'], path: string, body: object): Promise<AskedWire> {
  const headers = { 'content-type': jsonType }
  return callGateway<AskedWire>(gateway, path, { method: 'POST', headers, body: JSON.stringify(body) })
}

function filterOf(options: FilterOptions): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    filterKeys.flatMap(key => {
      const values = options[key]
      return values === undefined ? [] : [[key, values] as const]
    }),
  )
}

function describeList({ deliveries, next_after, behind }: ListWire): string {
  const late = lateText(behind)
  if (deliveries.length === 0) return `Nothing here.\n${late}`
  const rows = deliveries.map(one => [
    one.delivery_id,
    one.connection,
    one.record.kind,
    one.record.id,
    one.customer_id,
    one.state,
    one.at,
    String(one.attempt_count),
    one.code,
    one.external_id,
  ])
  const head = [
    'delivery',
    'connection',
    'kind',
    'record',
    'customer',
    'state',
    'since',
    'attempts',
    'code',
    'their id',
  ]
  const sides = head.map(name => (name === 'attempts' ? ('right' as const) : ('left' as const)))
  const more =
    next_after === null ? '' : 'There are more: narrow the filter, or raise --limit (up to 1000).\n'
  return `${plainTable(head, sides, rows)}\n${more}${late}`
}

function describeOne(one: OneDeliveryView): string {
  const lines: readonly (readonly [string, string])[] = [
    ['delivery', `${one.delivery_id} (${one.state} since ${one.at})`],
    ['connection', one.connection],
    ['record', `${one.record.kind} ${one.record.id}, key ${one.key}`],
    ['customer', one.customer_id],
    ['entity', one.entity_id],
    ['correlation', one.correlation_id],
    ['their id', one.external_id],
    ['why', one.code === '' ? '' : `${one.code}: ${one.detail}`],
    ['next', one.next],
  ]
  const facts = lines
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name.padEnd(11)}  ${oneLine(text)}\n`)
    .join('')
  const rows = one.history.map(({ at, state, attempts, outcome, code, detail }) => [
    at,
    state,
    String(attempts),
    outcome,
    code,
    detail.length <= longestWords ? detail : `${detail.slice(0, longestWords - 1)}…`,
  ])
  const head = ['at', 'state', 'attempts', 'outcome', 'code', 'words']
  const sides = ['left', 'left', 'right', 'left', 'left', 'left'] as const
  return `${facts}\n${plainTable(head, sides, rows)}\n${lateText(one.behind)}`
}

function lateText(behind: number): string {
  return behind === 0 ? '' : `ClickHouse is ${behind} messages behind: some may have gone on since.\n`
}
