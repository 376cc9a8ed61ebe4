// `weir billing hold|release|holds`: what billing runs leave out.

import type { NotBilled } from '../../schemas/billing/not-billed.js'
import { jsonType } from '../../schemas/event/media-types.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { BillingHold } from './holds.js'

export interface HoldArguments extends GatewayArguments {
  readonly customer: string
  readonly subscription?: string
  readonly reason: string
}

export function holdCommand(args: HoldArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const hold = await post(args, '/v1/billing-holds')
    const since = `since ${hold.held_at}: ${hold.reason}`
    io.stdout.write(args.json ? `${JSON.stringify(hold)}\n` : `${nameOf(hold)} is held back ${since}\n`)
  })
}

export function releaseCommand(args: HoldArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const hold = await post(args, '/v1/billing-holds/release')
    const next = 'the next run bills what was left out'
    io.stdout.write(args.json ? `${JSON.stringify(hold)}\n` : `${nameOf(hold)} is released; ${next}\n`)
  })
}

export function holdsCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    const told = await callGateway<Told>(gateway, '/v1/billing-holds')
    io.stdout.write(json ? `${JSON.stringify(told)}\n` : describe(told))
  })
}

interface Told {
  readonly billing_holds: readonly BillingHold[]
  readonly not_billed: readonly NotBilled[]
}

function post(
  { gateway, customer, subscription, reason }: HoldArguments,
  path: string,
): Promise<BillingHold> {
  const body = { customer_id: customer, subscription_id: subscription ?? null, reason }
  const headers = { 'content-type': jsonType }
  return callGateway<BillingHold>(gateway, path, { method: 'POST', headers, body: JSON.stringify(body) })
}

function nameOf({ customer_id, subscription_id }: BillingHold): string {
  return subscription_id === null ? customer_id : `${subscription_id} of ${customer_id}`
}

function describe({ billing_holds: holds, not_billed: left }: Told): string {
  const heldRows = holds.map(one => [
    one.customer_id,
    one.subscription_id ?? '(all)',
    one.held_at,
    one.held_by?.name ?? '',
    one.reason,
  ])
  const leftRows = left.map(one => [
    one.customer_id,
    one.subscription_id ?? '(all)',
    one.entity_id || '(none)',
    one.currency,
    String(one.line_count),
    one.amount_rounded,
    one.first_date === one.last_date ? one.first_date : `${one.first_date} to ${one.last_date}`,
    one.billing_run_id,
  ])
  const held =
    heldRows.length === 0
      ? 'Nothing is held back.'
      : plainTable(
          ['customer', 'subscription', 'since', 'by', 'reason'],
          ['left', 'left', 'left', 'left', 'left'],
          heldRows,
        )
  if (leftRows.length === 0) return `${held}\n`
  const head = [
    'customer',
    'subscription',
    'entity',
    'currency',
    'charges',
    'rounded',
    'dated',
    'left out by',
  ]
  const sides = ['left', 'left', 'left', 'left', 'right', 'right', 'left', 'left'] as const
  return `${held}\n\nLeft out, and not billed since\n${plainTable(head, sides, leftRows)}\n`
}
