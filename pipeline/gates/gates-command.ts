// The work of `weir gates …`, for people and scripts, over the API of a running Weir.

import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { harmlessText } from '../terminal/harmless-text.js'
import type { CliIo } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { CustomerGatesView, OneCustomerView } from './routes.js'

export interface ListArguments extends GatewayArguments {
  readonly gate?: string
  readonly status?: string
  readonly held?: boolean
}

export function listCommand(args: ListArguments, io: CliIo): Promise<number> {
  const { gateway, json, gate, status, held } = args
  return answer(io, async () => {
    const all: CustomerGatesView[] = []
    for (let after: string | null = ''; after !== null; ) {
      const query = new URLSearchParams({ limit: '1000' })
      const asked = { gate, status, held: held === true ? 'true' : undefined, after: after || undefined }
      for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, value)
      const page: { customers: CustomerGatesView[]; next_after: string | null } = await callGateway(
        gateway,
        `/v1/gates?${query}`,
      )
      all.push(...page.customers)
      after = page.next_after
    }
    io.stdout.write(json ? `${JSON.stringify(all)}\n` : describe(all))
  })
}

function describe(all: readonly CustomerGatesView[]): string {
  if (all.length === 0) return 'No status was told of any such customer.\n'
  const rows = all.flatMap(({ customer_id, gates, holds }) =>
    gates.map(one => [
      customer_id,
      one.gate,
      one.status,
      one.word,
      one.since,
      one.until ?? '',
      holds
        .filter(({ gate }) => gate === one.gate)
        .map(({ act }) => act)
        .join(' '),
    ]),
  )
  const head = ['customer', 'gate', 'status', 'told as', 'since', 'until', 'holds']
  return `${plainTable(
    head,
    head.map(() => 'left' as const),
    rows.map(row => row.map(harmlessText)),
  )}\n`
}

export function showCommand(
  { gateway, json, customer }: GatewayArguments & { readonly customer: string },
  io: CliIo,
): Promise<number> {
  return answer(io, async () => {
    const one = await callGateway<OneCustomerView>(gateway, `/v1/gates/${encodeURIComponent(customer)}`)
    io.stdout.write(json ? `${JSON.stringify(one)}\n` : describeOne(one))
  })
}

function describeOne(one: OneCustomerView): string {
  const lines = [
    one.customer_id,
    ...one.history.map(
      ({ gate, status, at, until, source, reference }) =>
        `  ${at} ${gate}: ${status}${until === null ? '' : ` until ${until}`} by ${source}${reference === '' ? '' : `, ${reference}`}`,
    ),
    ...one.holds.flatMap(({ act, reason, next }) => [`${act} is held: ${reason}`, `  ${next}`]),
    ...(one.holds.length === 0 ? ['Nothing is held.'] : []),
    ...one.not_activated.map(
      ({ subscription_id }) => `billing runs leave out ${subscription_id ?? 'all of its subscriptions'}`,
    ),
    ...one.held_deliveries.map(
      ({ connection, records, since }) =>
        `${records} records wait at ${connection}, the first since ${since}`,
    ),
  ]
  return `${lines.map(harmlessText).join('\n')}\n`
}
