// The work of `weir exceptions …` and `weir dead-letters …`: the exceptions of a running Weir, for people and scripts.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { ExceptionView } from './exception-view.js'
import { type FilterOptions, filterOfOptions } from './filter-options.js'
import type { MoneyView } from './money/money-sums.js'

interface ListArguments extends GatewayArguments, FilterOptions {
  readonly path: string
  readonly groupBy?: string
  readonly each?: boolean
  readonly resolved?: boolean
  readonly limit?: number
}

interface GroupWire {
  readonly group: string
  readonly count: number
  readonly customers: number
  readonly owners: readonly string[]
  readonly first_at: string
  readonly last_at: string
  readonly ageing: Readonly<Record<string, number>>
  readonly money: MoneyView
}

interface AnsweredWire {
  readonly count: number
  readonly customers: number
  readonly money: MoneyView
  readonly shown: boolean
}

interface RulesWire {
  readonly group_rules: readonly {
    readonly rule: string
    readonly version: number
    readonly by: readonly string[]
  }[]
  readonly owner_rules: readonly {
    readonly when: Readonly<Record<string, readonly string[]>>
    readonly owner: string
  }[]
}

export function listCommand(args: ListArguments, io: CliIo): Promise<number> {
  const { gateway, json, path, each = false, resolved = false, groupBy = 'cause', limit } = args
  return answer(io, async () => {
    const query = new URLSearchParams()
    for (const [key, values] of Object.entries(filterOfOptions(args)))
      for (const value of [values].flat()) query.append(key, value)
    if (resolved) for (const state of ['discarded', 'redriven', 'freed']) query.append('state', state)
    if (each) query.set('limit', String(limit ?? 100))
    else query.set('group_by', groupBy)
    const found = await callGateway<unknown>(gateway, `${path}?${query}`)
    if (json) io.stdout.write(`${JSON.stringify(found)}\n`)
    else io.stdout.write(each ? describeEach(found as EachWire) : describeGroups(found as GroupsWire))
  })
}

interface EachWire {
  readonly exceptions: readonly ExceptionView[]
  readonly next_after: string | null
}

interface GroupsWire {
  readonly groups: readonly GroupWire[]
}

export function showCommand(
  { gateway, json, path, id }: GatewayArguments & { readonly path: string; readonly id: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<ExceptionView>(gateway, `${path}/${encodeURIComponent(id)}`)
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeOne(found))
  })
}

export function rulesCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const rules = await callGateway<RulesWire>(gateway, '/v1/exceptions/rules')
    io.stdout.write(json ? `${JSON.stringify(rules)}\n` : describeRules(rules))
  })
}

/** Without `yes` it says what would be answered. With it, exactly that many are answered, or none. */
export function answerCommand(
  args: GatewayArguments &
    FilterOptions & { readonly act: 'discard' | 'undo'; readonly reason: string; readonly yes?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, act, reason, yes = false } = args
  const ask = (more: object): Promise<AnsweredWire> =>
    callGateway<AnsweredWire>(gateway, `/v1/exceptions/${act}`, {
      method: 'POST',
      headers: { 'content-type': jsonType },
      body: JSON.stringify({ filter: filterOfOptions(args), reason, ...more }),
    })
  return answer(io, async () => {
    const preview = await ask({ preview: true })
    const done = yes ? await ask({ expected_count: preview.count }) : preview
    if (json) io.stdout.write(`${JSON.stringify(done)}\n`)
    else io.stdout.write(describeAnswer(done, act, yes))
  })
}

function describeAnswer(done: AnsweredWire, act: 'discard' | 'undo', yes: boolean): string {
  const what = `${done.count} exceptions of ${done.customers} customers, ${moneyText(done.money)} at stake`
  if (!yes)
    return `${what}. Nothing is done yet: say --yes to ${act === 'discard' ? 'discard' : 'open'} them.\n`
  const late = done.shown ? '' : ' The list shows it a little later: ClickHouse is behind.'
  return `${act === 'discard' ? 'Discarded' : 'Open again'}: ${what}.${late}\n`
}

function describeGroups({ groups }: GroupsWire): string {
  if (groups.length === 0) return 'Nothing here.\n'
  const rows = groups.map(one => [
    one.group,
    String(one.count),
    String(one.customers),
    moneyText(one.money),
    one.owners.join(' '),
    one.first_at,
    one.last_at,
    ageingText(one.ageing),
  ])
  const head = ['group', 'count', 'customers', 'at stake', 'owner', 'first', 'last', 'age']
  const sides = ['left', 'right', 'right', 'right', 'left', 'left', 'left', 'left'] as const
  return `${plainTable(head, sides, rows)}\n`
}

function describeEach({ exceptions, next_after }: EachWire): string {
  if (exceptions.length === 0) return 'Nothing here.\n'
  const rows = exceptions.map(one => [
    one.exception_id,
    one.kind,
    one.code,
    one.event === null ? (one.record?.id ?? '') : `${one.event.source} ${one.event.id}`,
    one.customer_id,
    one.money === null ? 'not known' : `${one.money.amount} ${one.money.currency}`,
    one.owner,
    one.state,
    one.first_at,
  ])
  const head = [
    'exception',
    'kind',
    'code',
    'event or record',
    'customer',
    'at stake',
    'owner',
    'state',
    'first',
  ]
  const sides = ['left', 'left', 'left', 'left', 'left', 'right', 'left', 'left', 'left'] as const
  const more =
    next_after === null ? '' : 'There are more: narrow the filter, or raise --limit (up to 1000).\n'
  return `${plainTable(head, sides, rows)}\n${more}`
}

function describeOne(one: ExceptionView): string {
  const { event, record, answer: given } = one
  const worth =
    one.money === null ? `not known: ${one.money_not_known}` : `${one.money.amount} ${one.money.currency}`
  const lines: readonly (readonly [string, string | null])[] = [
    ['exception', `${one.exception_id} (${one.state})`],
    ['kind, code', `${one.kind}, ${one.code}`],
    ['why', one.detail],
    ['field', one.field],
    ['event', event && `${event.source} ${event.id} (${event.type}) of ${event.time ?? 'no time'}`],
    ['record', record && `${record.kind} ${record.id}`],
    ['customer', one.customer_id],
    ['meter', one.meter],
    ['receiver', one.receiver],
    ['owner', one.owner],
    ['failed', `${one.occurrences} times, first ${one.first_at}, last ${one.last_at}`],
    ['at stake', worth],
    [
      'answer',
      given && `${given.resolution} at ${given.at} by ${given.by ?? 'nobody named'}: ${given.reason}`,
    ],
    [
      'explain',
      event && event.id !== '' ? `weir explain ${shellText(event.source)} ${shellText(event.id)}` : null,
    ],
    ['next', one.next],
    ['original', one.original ?? null],
  ]
  const width = Math.max(...lines.map(([name]) => name.length))
  return lines
    .filter(([, text]) => text !== null && text !== '')
    .map(([name, text]) => `${name.padEnd(width)}  ${text}\n`)
    .join('')
}

function describeRules({ group_rules, owner_rules }: RulesWire): string {
  const groups = group_rules.map(({ rule, version, by }) => [rule, String(version), by.join(', ')])
  const owners = owner_rules.map(({ when, owner }) => [owner, whenText(when)])
  return [
    plainTable(['group rule', 'version', 'by'], ['left', 'right', 'left'], groups),
    '',
    plainTable(['owner', 'of'], ['left', 'left'], owners),
    '',
  ].join('\n')
}

function whenText(when: Readonly<Record<string, readonly string[]>>): string {
  const parts = Object.entries(when).map(([key, values]) => `${key} ${values.join(' | ')}`)
  return parts.length === 0 ? 'everything else' : parts.join(' and ')
}

function moneyText({ at_stake, not_known, not_counted }: MoneyView): string {
  const parts = at_stake.map(({ amount, currency }) => `${amount} ${currency}`)
  if (not_known > 0) parts.push(`${not_known} not known`)
  if (not_counted > 0) parts.push(`${not_counted} not counted`)
  return parts.length === 0 ? 'nothing' : parts.join(', ')
}

/** The buckets that hold something, from the oldest on. */
function ageingText(ageing: Readonly<Record<string, number>>): string {
  return Object.entries(ageing)
    .filter(([, count]) => count > 0)
    .toReversed()
    .map(([bucket, count]) => `${count} ${bucket.replaceAll('_', ' ')}`)
    .join(', ')
}

function shellText(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
