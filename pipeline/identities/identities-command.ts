// The work of `weir identities …`, for people and scripts, over the API of a running Weir.

import { readFile } from 'node:fs/promises'
import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { harmlessText } from '../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import { plainTable } from '../terminal/table.js'
import type { Identity } from './list-identities.js'
import { readImport } from './read-import.js'

export interface ListArguments extends GatewayArguments {
  readonly object?: string
  readonly ours?: string
  readonly system?: string
  readonly theirs?: string
}

const pageSize = 1_000
const perRequest = 500
const path = '/v1/identities'

export function listCommand(args: ListArguments, io: CliIo): Promise<number> {
  const { gateway, json, object, ours, system, theirs } = args
  return answer(io, async () => {
    const all: Identity[] = []
    for (let after: string | null = ''; after !== null; ) {
      const query = new URLSearchParams({ limit: String(pageSize) })
      for (const [name, value] of Object.entries({ object, ours, system, theirs, after: after || undefined }))
        if (value !== undefined) query.set(name, value)
      const page: { identities: Identity[]; next_after: string | null } = await callGateway(
        gateway,
        `${path}?${query}`,
      )
      all.push(...page.identities)
      after = page.next_after
    }
    io.stdout.write(json ? `${JSON.stringify(all)}\n` : describe(all))
  })
}

function describe(all: readonly Identity[]): string {
  if (all.length === 0) return 'No identity.\n'
  const rows = all.map(one => [one.object, one.ours, one.system, one.theirs, one.from, one.set_by ?? ''])
  const aligns = rows[0]!.map(() => 'left' as const)
  const head = ['object', 'ours', 'system', 'theirs', 'from', 'by']
  return `${plainTable(
    head,
    aligns,
    rows.map(row => row.map(harmlessText)),
  )}\n`
}

interface ChangeArguments extends GatewayArguments {
  readonly object: string
  readonly system: string
  readonly theirs: string
  readonly reason: string
}

export function setCommand(
  args: ChangeArguments & { readonly ours: string; readonly insteadOf?: string },
  io: CliIo,
): Promise<number> {
  const { gateway, json, object, system, theirs, ours, reason, insteadOf } = args
  return answer(io, async () => {
    const moved = insteadOf === undefined ? {} : { instead_of: insteadOf }
    const body = { object, system, theirs, ours, reason, ...moved }
    const found = await callGateway<Identity>(gateway, path, requestOf('PUT', body))
    const text = `${found.theirs} of ${found.system} is the ${found.object} ${found.ours}.\n`
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : harmlessText(text))
  })
}

export function removeCommand(args: ChangeArguments, io: CliIo): Promise<number> {
  const { gateway, json, object, system, theirs, reason } = args
  return answer(io, async () => {
    const query = new URLSearchParams({ object, system, theirs, reason })
    const found = await callGateway<Identity>(gateway, `${path}?${query}`, { method: 'DELETE' })
    const text = `${found.theirs} of ${found.system} was the ${found.object} ${found.ours}, and is set no more.\n`
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : harmlessText(text))
  })
}

interface Many {
  readonly set: number
  readonly same: number
  readonly taken: number
  readonly outcomes: readonly (Pick<Identity, 'object' | 'ours' | 'system' | 'theirs'> & {
    readonly outcome: string
    readonly taken_by: readonly string[]
  })[]
}

export async function importCommand(
  args: GatewayArguments & { readonly file: string; readonly reason: string; readonly dryRun?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, file, reason, dryRun = false } = args
  let taken = 0
  const code = await answer(io, async () => {
    const read = readImport(file, await readFile(file, 'utf8'))
    if (read.kind === 'invalid') throw new Error(read.problems.join('\n'))
    const all: Many[] = []
    const { lines } = read
    const progress = showProgress(io, json || read.identities.length <= perRequest)
    const step = progress.step('identities', read.identities.length)
    try {
      for (let from = 0; from < read.identities.length; from += perRequest) {
        const identities = read.identities.slice(from, from + perRequest)
        const request = requestOf('POST', { identities, reason, dry_run: dryRun })
        all.push(await callGateway<Many>(gateway, path, request))
        step.advance(identities.length)
      }
    } finally {
      step.done()
    }
    const outcomes = all.flatMap(one => one.outcomes)
    const sum = (of: (one: Many) => number) => all.reduce((total, one) => total + of(one), 0)
    taken = sum(one => one.taken)
    const counts = { set: sum(one => one.set), same: sum(one => one.same), taken, dry_run: dryRun }
    io.stdout.write(
      json
        ? `${JSON.stringify({ ...counts, outcomes })}\n`
        : describeMany(counts, outcomes, at => `${file}:${lines[at]}: `),
    )
  })
  return code === exitCodes.ok && taken > 0 ? exitCodes.failed : code
}

function describeMany(
  counts: { readonly set: number; readonly same: number; readonly taken: number; readonly dry_run: boolean },
  outcomes: Many['outcomes'],
  placeOf: (index: number) => string,
): string {
  const { set, same, taken, dry_run } = counts
  const lines = outcomes.flatMap((one, index) =>
    one.outcome === 'identity_taken'
      ? `${placeOf(index)}identity_taken: ${one.theirs} of ${one.system} is ${one.taken_by.join(' and ')}, not ${one.ours}`
      : [],
  )
  const what = dry_run ? 'would be set' : 'set'
  return [
    ...lines.map(harmlessText),
    `${set} ${what}, ${same} known before, ${taken} taken by another.`,
    '',
  ].join('\n')
}

function requestOf(method: 'PUT' | 'POST', body: object): RequestInit {
  return { method, headers: { 'content-type': jsonType }, body: JSON.stringify(body) }
}
