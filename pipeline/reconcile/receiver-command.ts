// `weir reconcile --connection NAME`: asks a running Weir to hold the receiver of a connection against our deliveries.
// Exit code 0: they agree, but for what is not settled; 1: a fault, or nothing could be compared.

import { callGateway, type Gateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import { plainTable } from '../terminal/table.js'
import type { ReceiverFault, ReceiverProgress, ReceiverReport } from './receiver-report.js'

export interface ReceiverArgs {
  readonly gateway: Gateway
  readonly connection: string
  readonly from?: string | undefined
  readonly until?: string | undefined
  readonly json: boolean
}

export async function receiverCommand(args: ReceiverArgs, io: CliIo): Promise<number> {
  let report: ReceiverReport
  try {
    report = await askReceiver(args, showProgress(io, args.json))
  } catch (error) {
    io.stderr.write(`weir reconcile: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCodes.failed
  }
  io.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : printReceiver(report))
  return report.ok ? exitCodes.ok : exitCodes.failed
}

/** Asks until it is done. */
export async function askReceiver(
  { gateway, connection, from, until }: Omit<ReceiverArgs, 'json'>,
  progress: ReturnType<typeof showProgress>,
): Promise<ReceiverReport> {
  const dates = Object.entries({ from, until }).filter((one): one is [string, string] => one[1] !== undefined)
  const query = new URLSearchParams(dates).toString()
  const path = `/v1/reconciliation/connections/${encodeURIComponent(connection)}${query === '' ? '' : `?${query}`}`
  const step = progress.step(`records and documents of ${connection} read`, 0)
  for (let shown = 0; ; ) {
    const answer = await callGateway<ReceiverReport | ReceiverProgress>(gateway, path)
    if ('ok' in answer) {
      step.done()
      return answer
    }
    const read = answer.records + answer.documents
    step.advance(read - shown)
    shown = read
    progress.notice(`${answer.records} of our records read, ${answer.documents} of their documents`)
  }
}

export function printReceiver(report: ReceiverReport): string {
  const { connection, from, until, lagging } = report
  if (!report.compared)
    return `A connection of this kind does not list what it has: nothing of ${connection} was compared.\n`
  if (from === '') return `${connection} has been given nothing yet.\n`
  const parts = [
    `${connection}, accounting dates ${from} to ${until}: ${report.records} of our records, ${report.documents} of their documents.`,
    printTotals(report),
    printDays(report),
    printUnsettled(report),
    printFaults(report),
  ]
  if (report.by_delivery_alone > 0)
    parts.push(`${report.by_delivery_alone} documents are known by their delivery alone.`)
  if (lagging.length > 0) parts.push(`Still behind, which may be the cause of faults: ${lagging.join(', ')}.`)
  parts.push(
    report.fault_count === 0
      ? `${report.agreeing} records agree; no fault was found.`
      : `${report.fault_count} faults; ${report.agreeing} records agree.`,
  )
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

function printTotals({ totals }: ReceiverReport): string {
  if (totals.length === 0) return ''
  return plainTable(
    ['entity', 'currency', 'delivered', 'ours', 'documents', 'theirs'],
    ['left', 'left', 'right', 'right', 'right', 'right'],
    totals.map(one => [
      one.entity_id === '' ? '-' : one.entity_id,
      one.currency,
      String(one.records),
      one.ours,
      String(one.documents),
      one.untold === 0 ? one.theirs : `${one.theirs} (${one.untold} not told)`,
    ]),
  )
}

const shownDays = 50

/** The days that differ, and how many there are in all. */
function printDays({ days, accounts_told: told, totals }: ReceiverReport): string {
  if (totals.some(({ untold, documents }) => untold === documents && documents > 0))
    return 'This kind of connection does not tell the amounts of what it has: no sums by account and day.'
  const differing = days.filter(({ ours, theirs }) => ours !== theirs)
  const words = told
    ? `By account and day ${days.length - differing.length} of ${days.length} sums agree.`
    : `By day ${days.length - differing.length} of ${days.length} sums agree; this kind of connection tells no accounts.`
  if (differing.length === 0) return words
  const table = plainTable(
    ['entity', 'currency', 'account', 'day', 'delivered', 'ours', 'documents', 'theirs'],
    ['left', 'left', 'left', 'left', 'right', 'right', 'right', 'right'],
    differing
      .slice(0, shownDays)
      .map(one => [
        ...[one.entity_id === '' ? '-' : one.entity_id, one.currency, one.account, one.date],
        ...[String(one.records), one.ours, String(one.documents), one.theirs],
      ]),
  )
  const rest = differing.length - shownDays
  return `${words}\n${table}${rest > 0 ? `\nand ${rest} more (--json has them)` : ''}`
}

function printUnsettled({ unsettled }: ReceiverReport): string {
  if (unsettled.length === 0) return ''
  const rows = unsettled.map(one => [
    one.state,
    one.code,
    String(one.records),
    String(one.there),
    one.ids.slice(0, 3).join(', '),
  ])
  const head = ['not settled', 'why', 'records', 'there', 'such as']
  return plainTable(head, ['left', 'left', 'right', 'right', 'left'], rows)
}

const shownFaults = 50

function printFaults({ faults, fault_count: count }: ReceiverReport): string {
  if (count === 0) return ''
  const shown = faults.slice(0, shownFaults)
  const head = ['fault', 'ours', 'theirs', 'what', 'here', 'there']
  const table = plainTable(
    head,
    head.map(() => 'left' as const),
    shown.map(rowOf),
  )
  return count > shown.length ? `${table}\nand ${count - shown.length} more (--json has them)` : table
}

function rowOf(fault: ReceiverFault): string[] {
  const { record, key, external_ids: ids, delivered_as: as } = fault
  return [
    fault.fault,
    record === undefined ? key : `${record.kind} ${record.id}`,
    ids.length > 0 ? ids.join(', ') : as === undefined ? '-' : `none, was ${as}`,
    fault.field ?? '',
    fault.ours ?? fault.state ?? '',
    fault.theirs ?? '',
  ]
}
