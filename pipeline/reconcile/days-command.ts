// `weir reconcile --days`: charges, batches and journals day by day, then what each connection has.
// Exit code 0: no day differs, and no record is without a delivery; 1: one does.

import { callGateway, type Gateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { ReconciliationDays } from './days-routes.js'
import { printAccepted } from './print-accepted.js'
import type { AcceptedTotal } from './report.js'

export interface DaysArgs {
  readonly gateway: Gateway
  readonly json: boolean
  readonly from?: string | undefined
  readonly until?: string | undefined
}

type AllDays = Pick<ReconciliationDays, 'days' | 'accepted' | 'lagging'>

export async function daysCommand(args: DaysArgs, io: CliIo): Promise<number> {
  let all: AllDays
  try {
    const books = await readPages(args, undefined)
    const accepted: AcceptedTotal[] = []
    for (const connection of books.connections) accepted.push(...(await readPages(args, connection)).accepted)
    all = { days: books.days, accepted, lagging: books.lagging }
  } catch (error) {
    io.stderr.write(`weir reconcile: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCodes.failed
  }
  io.stdout.write(args.json ? `${JSON.stringify(all, null, 2)}\n` : printDays(all))
  const isLost = ({ outcomes }: AcceptedTotal): boolean =>
    outcomes.some(({ outcome }) => outcome === 'no_delivery')
  const differs = all.days.some(({ different }) => different > 0) || all.accepted.some(isLost)
  return differs ? exitCodes.failed : exitCodes.ok
}

async function readPages(
  { gateway, from, until }: DaysArgs,
  connection: string | undefined,
): Promise<ReconciliationDays> {
  const given = Object.entries({ from, until, connection, limit: '10000' })
  const query = new URLSearchParams(given.filter((one): one is [string, string] => one[1] !== undefined))
  let all: ReconciliationDays | undefined
  do {
    if (all !== undefined) query.set('after', all.next_after!)
    const page = await callGateway<ReconciliationDays>(gateway, `/v1/reconciliation/days?${query}`)
    all = {
      ...page,
      days: [...(all?.days ?? []), ...page.days],
      accepted: [...(all?.accepted ?? []), ...page.accepted],
    }
  } while (all.next_after !== null)
  return all
}

export function printDays({ days, accepted, lagging }: AllDays): string {
  const table = plainTable(
    ['entity', 'currency', 'day', 'charges', 'charged', 'batched', 'posted', 'differ', ''],
    ['left', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'left'],
    days.map(one => [
      one.entity_id,
      one.currency,
      one.day,
      String(one.charges),
      one.charged,
      one.batched,
      one.posted,
      String(one.different),
      one.different_charges.slice(0, 3).join(', '),
    ]),
  )
  const parts = [days.length === 0 ? 'No charge is billed in these days.' : table, printAccepted(accepted)]
  if (lagging.length > 0)
    parts.push(`Still behind, which may be the cause of differences: ${lagging.join(', ')}.`)
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}
