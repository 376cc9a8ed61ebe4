// `weir erase CUSTOMER` and `weir reveal CUSTOMER VALUE…`, over the HTTP API of a running Weir.

import { jsonType } from '../../schemas/event/media-types.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import { exitCodes } from '../terminal/io.js'

interface ReasonArguments extends GatewayArguments {
  readonly customer: string
  readonly reason: string
}

interface ErasedWire {
  readonly generation: number | null
  readonly erased_at: string | null
  readonly was_erased: boolean
}

interface RevealedWire {
  readonly values: readonly { readonly sealed: string; readonly state: string; readonly value: unknown }[]
}

const states: Readonly<Record<string, string>> = {
  erased: 'erased: its key is destroyed',
  not_sealed: 'not a sealed value',
  of_another_customer: 'not sealed for this customer',
}

export async function eraseCommand(
  args: ReasonArguments & { readonly yes?: boolean },
  io: CliIo,
): Promise<number> {
  const { gateway, json, customer, reason } = args
  if (args.yes !== true) {
    io.stderr.write(
      `The key of ${customer} would be destroyed: nobody can read the customer's sealed data after that, and it cannot be ` +
        'undone. Charges and totals stay. Repeat the command with --yes.\n',
    )
    return exitCodes.failed
  }
  return answer(io, async () => {
    const erased = await send<ErasedWire>(gateway, '/v1/personal-data/erase', {
      customer_id: customer,
      reason,
    })
    io.stdout.write(json ? `${JSON.stringify(erased)}\n` : `${describe(customer, erased)}\n`)
  })
}

export function revealCommand(
  args: ReasonArguments & { readonly values: readonly string[] },
  io: CliIo,
): Promise<number> {
  const { gateway, json, customer, values, reason } = args
  return answer(io, async () => {
    const body = { customer_id: customer, values, reason }
    const revealed = await send<RevealedWire>(gateway, '/v1/personal-data/reveal', body)
    if (json) io.stdout.write(`${stringifyJson(revealed)}\n`)
    else {
      for (const { state, value } of revealed.values)
        io.stdout.write(`${state === 'revealed' ? stringifyJson(value) : (states[state] ?? state)}\n`)
    }
  })
}

function describe(customer: string, { generation, erased_at, was_erased }: ErasedWire): string {
  if (generation === null) return `Nothing of ${customer} was sealed, so there was no key to destroy.`
  return `The key of ${customer} ${was_erased ? 'was destroyed before,' : 'is destroyed,'} at ${erased_at}.`
}

function send<T>(gateway: GatewayArguments['gateway'], path: string, body: object): Promise<T> {
  const headers = { 'content-type': jsonType }
  return callGateway<T>(gateway, path, { method: 'POST', headers, body: JSON.stringify(body) })
}
