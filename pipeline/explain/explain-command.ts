// `weir explain SOURCE ID` and `weir explain --charge ID`: ask a running Weir and print it for people.
// Exit codes: 0 told, 1 not known or not reachable, 2 neither an event nor a charge was named.

import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import type { ChargeEvents } from './charge-events.js'
import type { EventExplanation } from './explanation.js'
import { printChargeEvents, printExplanation } from './print.js'

export interface ExplainArguments extends GatewayArguments {
  readonly source: string | undefined
  readonly id: string | undefined
  readonly charge: string | undefined
}

export async function explainCommand(args: ExplainArguments, io: CliIo): Promise<number> {
  const { source, id, charge, gateway, json } = args
  if (charge !== undefined) {
    return answer(io, async () => {
      const whole = await allEvents(args, charge)
      io.stdout.write(json ? `${JSON.stringify(whole, null, 2)}\n` : printChargeEvents(whole))
    })
  }
  if (source === undefined || id === undefined) {
    io.stderr.write('Name an event by its source and its id, or a charge by --charge.\n')
    return exitCodes.usage
  }
  return answer(io, async () => {
    const query = new URLSearchParams({ source, id })
    const explanation = await callGateway<EventExplanation>(gateway, `/v1/events?${query}`)
    io.stdout.write(json ? `${JSON.stringify(explanation, null, 2)}\n` : printExplanation(explanation))
  })
}

/** All pages as one. */
async function allEvents({ gateway }: ExplainArguments, charge: string): Promise<ChargeEvents> {
  const path = `/v1/charges/${encodeURIComponent(charge)}/events?limit=1000`
  const first = await callGateway<ChargeEvents>(gateway, path)
  const events = [...first.events]
  for (let cursor = first.next_cursor; cursor !== null; ) {
    const page = await callGateway<ChargeEvents>(gateway, `${path}&cursor=${encodeURIComponent(cursor)}`)
    events.push(...page.events)
    cursor = page.next_cursor
  }
  return { ...first, events, next_cursor: null }
}
