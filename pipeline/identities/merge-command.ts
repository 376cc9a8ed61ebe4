// The work of `weir identities merge|split|duplicates`.

import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { harmlessText } from '../terminal/harmless-text.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { Duplicates, MergeEffect, Money } from './merge-effect.js'

type Merged = MergeEffect & {
  readonly from: string
  readonly into: string
  readonly done: boolean
  readonly identities: readonly string[]
  readonly note: string
}

export function mergeCommand(
  args: GatewayArguments & {
    readonly from: string
    readonly into: string
    readonly reason: string
    readonly yes?: boolean
  },
  io: CliIo,
): Promise<number> {
  const { gateway, json, from, into, reason, yes = false } = args
  return answer(io, async () => {
    const body = JSON.stringify({ from, into, reason, dry_run: !yes })
    const found = await callGateway<Merged>(gateway, '/v1/identities/merge', post(body))
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describe(found))
  })
}

function describe({ from, into, done, subscriptions, sealed, open, identities, note }: Merged): string {
  const money = (all: readonly Money[]) =>
    all.length === 0
      ? 'none'
      : all.map(one => `${one.amount} ${one.currency} (${one.lines} lines)`).join(', ')
  const lines = [
    done ? `${from} is merged into ${into}.` : `${from} would be merged into ${into}; say --yes to do it.`,
    `  subscriptions that stay with ${from}: ${subscriptions.length === 0 ? 'none' : subscriptions.join(', ')}`,
    `  billed, and never rewritten: ${money(sealed)}`,
    `  rated usage that stays with them: ${money(open)}`,
    `  ids that were set for ${from}: ${identities.length === 0 ? 'none' : identities.join(', ')}`,
    `  ${note}`,
  ]
  return `${lines.map(harmlessText).join('\n')}\n`
}

export function splitCommand(
  {
    gateway,
    json,
    customer,
    reason,
  }: GatewayArguments & { readonly customer: string; readonly reason: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const body = JSON.stringify({ customer, reason })
    const found = await callGateway<{ was: string }>(gateway, '/v1/identities/split', post(body))
    const text = `${customer} stands for itself again; it was merged into ${found.was}.`
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : `${harmlessText(text)}\n`)
  })
}

export function duplicatesCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const path = '/v1/identities/duplicates'
    const { duplicates } = await callGateway<{ duplicates: readonly Duplicates[] }>(gateway, path)
    if (json) io.stdout.write(`${JSON.stringify(duplicates)}\n`)
    else if (duplicates.length === 0) io.stdout.write('No two customers look like one.\n')
    else {
      const rows = duplicates.map(one => [one.same, one.value, one.customers.join(' ')].map(harmlessText))
      io.stdout.write(`${plainTable(['same', 'value', 'customers'], ['left', 'left', 'left'], rows)}\n`)
    }
  })
}

function post(body: string): RequestInit {
  return { method: 'POST', headers: { 'content-type': jsonType }, body }
}
