// Prints the report for people: a line per check, then the differences, the counts and the totals.

import { dispositions } from '../../schemas/event/dispositions.js'
import { plainTable } from '../terminal/table.js'
import { printAccepted } from './print-accepted.js'
import { type Check, type CheckState, isTrouble, type ReconcileReport } from './report.js'

export function printReport(report: ReconcileReport): string {
  const parts = [
    plainTable(
      ['', 'check', 'compared', 'differ'],
      ['left', 'left', 'right', 'right'],
      report.checks.map(one => [
        marks[one.state],
        one.claim,
        String(one.compared),
        one.skipped ?? String(one.difference_count),
      ]),
    ),
    ...report.checks.filter(isTrouble).map(printDifferences),
    printCounts(report),
    printTotals(report),
    printNotBilled(report),
    printDeliveries(report),
    printAccepted(report.accepted),
    printArrivals(report),
  ]
  if (!report.caught_up) parts.push(printLags(report))
  parts.push(verdict(report))
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

const marks: Readonly<Record<CheckState, string>> = {
  agrees: 'ok',
  differs: 'NO',
  unreadable: 'NO',
  not_checked: 'not checked',
}

const shownDifferences = 20

function printDifferences(check: Check): string {
  const shown = check.differences.slice(0, shownDifferences)
  const rows = shown.map(one => [one.id, one.expected, one.found, oneLine(one.detail ?? '')])
  const rest = check.difference_count - rows.length
  const table = plainTable(['what', 'expected', 'found', ''], ['left', 'right', 'right', 'left'], rows)
  return `Not so: ${check.claim}\n${table}${rest > 0 ? `\nand ${rest} more (--json has up to 1,000)` : ''}`
}

const longestDetail = 200

/** The beginning of a detail on one line, since a detail may quote long text. */
function oneLine(detail: string): string {
  const line = detail.replaceAll(/\s+/g, ' ')
  return line.length <= longestDetail ? line : `${line.slice(0, longestDetail)}…`
}

function printCounts({ partitions }: ReconcileReport): string {
  const names = ['received', ...dispositions] as const
  const sums = names.map(name => partitions.reduce((sum, { counts }) => sum + counts[name], 0))
  return plainTable(
    names.map(name => name.replace('_', '-')),
    names.map(() => 'right' as const),
    [sums.map(String)],
  )
}

function printNotBilled({ not_billed: left }: ReconcileReport): string {
  if (left.length === 0) return ''
  const rows = left.map(one => [
    one.subscription_id === null ? one.customer_id : `${one.subscription_id} of ${one.customer_id}`,
    one.entity_id || '(none)',
    one.currency,
    String(one.line_count),
    one.amount_rounded,
    one.billing_run_id,
  ])
  const head = ['held back, not billed', 'entity', 'currency', 'charges', 'rounded', 'left out by']
  return plainTable(head, ['left', 'left', 'left', 'right', 'right', 'left'], rows)
}

function printDeliveries({ deliveries }: ReconcileReport): string {
  if (deliveries.length === 0) return ''
  const rows = deliveries.map(one => [one.connection, one.state, String(one.deliveries)])
  return plainTable(['connection', 'state', 'deliveries'], ['left', 'left', 'right'], rows)
}

function printArrivals({ arrivals }: ReconcileReport): string {
  if (arrivals.length === 0) return ''
  const rows = arrivals.map(one => [one.source, one.state, String(one.arrivals)])
  return plainTable(['source', 'state', 'arrivals'], ['left', 'left', 'right'], rows)
}

function printTotals({ totals }: ReconcileReport): string {
  if (totals.length === 0) return ''
  return plainTable(
    [
      '',
      'rated usage',
      'charges',
      'rounded',
      'batches',
      'debits',
      'credits',
      'MRR',
      'usage not billed',
      'sealed, not batched',
    ],
    ['left', ...Array.from({ length: 9 }, () => 'right' as const)],
    totals.map(one => [
      one.currency,
      one.rated_usage,
      one.charges,
      one.charges_rounded,
      one.batches_rounded,
      one.debits,
      one.credits,
      one.mrr_movements,
      one.usage_not_billed,
      one.sealed_not_batched,
    ]),
  )
}

function printLags({ lagging, waited_ms }: ReconcileReport): string {
  const rows = lagging.map(one => [one.what, String(one.position), String(one.last)])
  const table = plainTable(['behind', 'at', 'of'], ['left', 'right', 'right'], rows)
  return `Still behind after ${waited_ms} ms; differences may come from that.\n${table}`
}

function verdict({ ok, caught_up, checks }: ReconcileReport): string {
  const failed = checks.filter(isTrouble).length
  if (!ok) return `${failed} of ${checks.length} checks found differences.`
  const unchecked = checks.filter(one => one.state === 'not_checked').length
  const rest = unchecked === 0 ? '' : ` ${unchecked} of ${checks.length} checks could not be made.`
  if (!caught_up) return `What has arrived agrees.${rest}`
  return unchecked === 0 ? 'Everything agrees.' : `What was compared agrees.${rest}`
}
