// The work of `weir systems-of-record …`, for people and scripts, over the API of a running Weir.

import { jsonType } from '../../../schemas/event/media-types.js'
import type { OwnerConflict } from '../../../schemas/owner-conflict.js'
import { answer, callGateway, type GatewayArguments } from '../../terminal/gateway-client.js'
import { harmlessText } from '../../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../../terminal/io.js'
import { plainTable } from '../../terminal/table.js'
import type { ConflictView, ResolvedView } from './conflict-routes.js'
import type { OwnerRuleView } from './owner-routes.js'

const path = '/v1/systems-of-record'
const mostValue = 60

export function rulesCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const found = await callGateway<{ rules: readonly OwnerRuleView[] }>(gateway, path)
    if (json) io.stdout.write(`${JSON.stringify(found)}\n`)
    else if (found.rules.length === 0) io.stdout.write('No field has an owner: systems_of_record is empty.\n')
    else
      io.stdout.write(
        table(
          ['object', 'field', 'owner'],
          found.rules.map(({ object, field, owner }) => [object, field, owner.join(', then ')]),
        ),
      )
  })
}

export interface ConflictsArguments extends GatewayArguments {
  readonly object?: string
  readonly field?: string
  readonly system?: string
}

export function conflictsCommand(args: ConflictsArguments, io: CliIo): Promise<number> {
  const { gateway, json, object, field, system } = args
  return answer(io, async () => {
    const all: ConflictView[] = []
    for (let after: string | null = ''; after !== null; ) {
      const query = new URLSearchParams({ limit: '1000' })
      const asked = { object, field, system, after: after || undefined }
      for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, value)
      const page: { conflicts: ConflictView[]; next_after: string | null } = await callGateway(
        gateway,
        `${path}/conflicts?${query}`,
      )
      all.push(...page.conflicts)
      after = page.next_after
    }
    io.stdout.write(json ? `${JSON.stringify(all)}\n` : describe(all))
  })
}

function describe(all: readonly ConflictView[]): string {
  if (all.length === 0) return 'No two systems disagree.\n'
  const rows = all.map(one => [
    `${one.object} ${one.id}`,
    one.field,
    one.owner === null
      ? `nobody owns it: ${shown(one.owner_value)}`
      : `${one.owner}: ${shown(one.owner_value)}`,
    `${one.system}: ${shown(one.value)}`,
    one.since,
    `${one.owner_event ?? '?'}, ${one.event ?? '?'}`,
  ])
  return table(['object', 'field', 'won', 'against', 'since', 'events'], rows)
}

interface OneObject {
  readonly holds: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly conflicts: readonly OwnerConflict[]
}

export function showCommand(
  args: GatewayArguments & { readonly object: string; readonly id: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const one = await callGateway<OneObject>(args.gateway, pathOf(args.object, args.id))
    if (args.json) return void io.stdout.write(`${JSON.stringify(one)}\n`)
    const rows = Object.entries(one.claims).map(([field, said]) => [
      field,
      field in one.holds ? shown(one.holds[field]) : '',
      Object.entries(said)
        .map(([system, value]) => `${system}: ${shown(value)}`)
        .join('; '),
      one.conflicts.some(conflict => conflict.field === field) ? 'in conflict' : '',
    ])
    io.stdout.write(table(['field', 'holds', 'said', ''], rows))
  })
}

export async function resolveCommand(
  args: GatewayArguments & {
    readonly object: string
    readonly id: string
    readonly field: string
    readonly system: string
    readonly keep?: boolean
    readonly take?: boolean
    readonly reason: string
  },
  io: CliIo,
): Promise<number> {
  const { gateway, json, object, id, field, system, keep = false, take = false, reason } = args
  if (keep === take) {
    io.stderr.write('weir: say --keep or --take\n')
    return exitCodes.usage
  }
  return answer(io, async () => {
    const at = pathOf(object, id)
    const { conflicts } = await callGateway<OneObject>(gateway, at)
    const open = conflicts.find(one => one.field === field && one.system === system)
    if (open === undefined) throw new Error(`${system} is in no conflict over ${field} of ${object} ${id}`)
    const resolution = keep ? 'keep' : 'take'
    const body = JSON.stringify({ field, system, resolution, revision: open.revision, reason })
    const request = { method: 'POST', headers: { 'content-type': jsonType }, body }
    const done = await callGateway<ResolvedView>(gateway, `${at}/resolve`, request)
    const text = harmlessText(`${field} of ${object} ${id} is ${shown(done.holds)}.`)
    io.stdout.write(json ? `${JSON.stringify(done)}\n` : `${text}\n`)
  })
}

function pathOf(object: string, id: string): string {
  return `${path}/${encodeURIComponent(object)}/${encodeURIComponent(id)}`
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').slice(0, mostValue)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const aligns = head.map(() => 'left' as const)
  return `${plainTable(
    head,
    aligns,
    rows.map(row => row.map(harmlessText)),
  )}\n`
}
