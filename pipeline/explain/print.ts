// Prints an explanation for people: what it came to in a sentence, the stations as a timeline, then the arithmetic, the
// versions and the history, as far as there are any.

import { plainTable } from '../terminal/table.js'
import type { ChargeEvents } from './charge-events.js'
import type { ChargeLine } from './charge-rows.js'
import type { EventExplanation, ExplainedCharge, Station } from './explanation.js'
import type { Delivery } from './papers.js'

export function printExplanation(told: EventExplanation): string {
  const parts = [
    heading(told),
    plainTable(
      ['', 'station', 'when', 'commit', 'what'],
      ['left', 'left', 'left', 'right', 'left'],
      told.stations.map(stationLine),
    ),
    ...told.charges.filter(one => one.arithmetic !== null).map(arithmetic),
    versions(told),
    attempts(told),
    history(told),
    resolutions(told),
    told.received?.content === undefined ? '' : `as received\n  ${told.received.content}`,
    notes(told),
  ]
  return `${parts.filter(part => part !== '').join('\n\n')}\n`
}

const verdicts: Readonly<Record<string, string>> = {
  rated: 'is rated',
  applied: 'is applied',
  parked: 'waits',
  unmetered: 'is read by no meter',
  dead_lettered: 'was refused',
  duplicate: 'is a duplicate',
  conflicting: 'was refused: another content is kept',
  cause: 'caused corrections',
}

function heading({ source, id, type, customer_id: customer, time, ...told }: EventExplanation): string {
  const verdict = verdicts[told.disposition] ?? `is ${told.disposition}`
  const back = told.is_retracted ? ', and was taken back' : ''
  const why = told.code === '' ? '' : ` (${told.code})`
  const what = [type, customer === '' ? '' : `customer ${customer}`, time]
    .filter(one => one !== '')
    .join(', ')
  return `The event ${id} of ${source} ${verdict}${back}${why}.\n${what}`
}

const marks: Readonly<Record<Station['state'], string>> = {
  passed: 'ok',
  waiting: '…',
  refused: 'NO',
  skipped: '-',
  taken_back: '↩',
  not_reached: '',
}

function stationLine({ station, state, at, partition, ledger_sequence: commit, reason }: Station): string[] {
  const place = commit === undefined ? '' : `${partition}/${commit}`
  return [marks[state], station, at ?? '', place, reason]
}

function arithmetic(charge: ExplainedCharge): string {
  const { arithmetic: told, currency } = charge
  if (told === null) return ''
  const quantity =
    told.quantity_before === null ? '' : `${told.quantity_before} → ${told.quantity_after ?? ''}, `
  const lines = [
    `${charge.price} of ${charge.meter}, ${charge.period_from} to ${charge.period_until}`,
    `  this event            ${charge.quantity} for ${charge.amount} ${currency}`,
    `  the charge, by its commit  ${quantity}${told.amount_before} → ${told.amount_after} ${currency} (${told.events_in_commit} events)`,
    `  the charge as it stands    ${charge.charge_amount} ${currency}, ${charge.charge_events} events`,
    ...charge.corrections.map(
      one =>
        `  corrected at ${one.at}     ${one.amount} ${currency}, because of ${one.cause_id} of ${one.cause_source}`,
    ),
    ...told.text.map(line => `    ${line}`),
    ...(told.not_shown === null ? [] : [`    not shown line by line: ${told.not_shown}`]),
  ]
  return lines.join('\n')
}

function versions({ versions: all, fields }: EventExplanation): string {
  if (all.length === 0) return ''
  const rows = all.map(one => [
    `${one.chosen ? '▸' : ''}${one.holds ? '✓' : ''}`,
    one.subscription_id,
    String(one.sequence),
    one.change,
    `${one.plan} ${one.plan_version}`,
    one.effective_from,
    one.why,
  ])
  const table = plainTable(
    ['', 'subscription', 'version', 'change', 'plan', 'from', 'why'],
    ['left', 'left', 'right', 'left', 'left', 'left', 'left'],
    rows,
  )
  const origins = Object.entries(fields).flatMap(([, set]) =>
    set.map(one => `  ${one.field} = ${one.value}, set by version ${one.sequence}`),
  )
  return [table, ...origins].join('\n')
}

function attempts({ attempts: all }: EventExplanation): string {
  if (all.length < 2) return ''
  const rows = all.map(one => [
    one.received_at,
    `${one.input_stream} ${one.input_sequence}`,
    one.verdict,
    [one.code, one.detail].filter(text => text !== '').join(': '),
  ])
  return plainTable(['came', 'message', 'verdict', ''], ['left', 'left', 'left', 'left'], rows)
}

function history({ history: all }: EventExplanation): string {
  if (all.length < 2) return ''
  const rows = all.map(one => [
    one.at,
    `${one.partition}/${one.ledger_sequence}`,
    one.event_count < 0 ? `${one.what}, taken back` : one.what,
    one.amount === undefined ? '' : `${one.amount} ${one.currency ?? ''}`.trim(),
    [one.meter ?? '', one.charge_id ?? '', one.code].filter(text => text !== '').join(' '),
  ])
  return plainTable(
    ['when', 'commit', 'history', 'amount', ''],
    ['left', 'right', 'left', 'right', 'left'],
    rows,
  )
}

function resolutions({ resolutions: all }: EventExplanation): string {
  if (all.length === 0) return ''
  const rows = all.map(one => [
    one.resolved_at,
    `${one.resolution} (${one.exception_kind} ${one.code})`,
    one.key_name,
    one.reason,
    one.job_id,
  ])
  return plainTable(
    ['answered', 'answer', 'by', 'why', 'job'],
    ['left', 'left', 'left', 'left', 'left'],
    rows,
  )
}

function notes({ clickhouse_behind: behind, is_cut: isCut }: EventExplanation): string {
  const lines = [
    ...(behind === 0
      ? []
      : [`ClickHouse has ${behind} messages of LEDGER still to take: newer facts may be missing.`]),
    ...(isCut ? ['More rows name the event than are told here.'] : []),
  ]
  return lines.join('\n')
}

export function printChargeEvents(told: ChargeEvents): string {
  const { charge_id: id, price, meter, period_from: from, period_until: until, currency } = told
  const rows = told.events.map(one => [
    one.time,
    one.event_source,
    one.event_id,
    one.quantity,
    one.amount,
    one.events === 1 ? '' : one.quantity === '0' && one.amount !== '0' ? 'correction' : 'taken back',
  ])
  const table = plainTable(
    ['time', 'source', 'id', 'quantity', 'amount', ''],
    ['left', 'left', 'left', 'right', 'right', 'left'],
    rows,
  )
  const what = meter === '' ? price : `${price} of ${meter}`
  const head = `${id}: ${what} for ${told.customer_id}, ${from} to ${until}`
  const events = told.events.length === 0 ? [] : [table]
  const parts = [
    head,
    ...events,
    `${told.event_count} events, ${told.amount} ${currency}${offOf(told.discount_amount)}`,
    ...told.lines.map(printLine),
  ]
  return `${parts.join('\n\n')}\n`
}

function offOf(discount: string): string {
  return discount === '0' ? '' : `, of which coupons took off ${discount}`
}

function netOf({ discount_amount: discount, currency }: ChargeLine): string {
  return discount === '0' ? '' : ` after ${discount} ${currency} off by coupons`
}

/** A line: its batch, its entry, its deliveries; then what was deferred, month by month. */
function printLine(line: ChargeLine): string {
  const { journal, recognition, deliveries, batches } = line
  const batch = batches.length === 1 ? `, batch ${batches[0]!.batch_id}` : ''
  const posted =
    journal === undefined
      ? 'no entry'
      : `entry ${journal.journal_id} of ${journal.accounting_date}, ${journal.amount} from ${journal.debit_account} to ${journal.credit_account}`
  const head = [
    `${line.kind} ${line.charge_id}: run ${line.billing_run_id}${batch}, ${line.amount_rounded} ${line.currency}${netOf(line)}`,
    ...takenOff(line).map(text => `  ${text}`),
    ...madeUp(line).map(text => `  ${text}`),
    `  ${posted}`,
    ...deliveries.map(one => `  ${wordsOfDelivery(one)}`),
  ]
  if (recognition === undefined) return head.join('\n')
  const rows = recognition.months.map(({ month, amount, release }) => [
    month.slice(0, 7),
    amount,
    release === undefined ? 'deferred' : 'released',
    release?.accounting_date ?? '',
    release?.journal_id ?? '',
    (release?.deliveries ?? []).map(wordsOfDelivery).join(', '),
  ])
  const months = plainTable(
    ['month', 'amount', '', 'dated', 'entry', 'delivered'],
    ['left', 'right', 'left', 'left', 'left', 'left'],
    rows,
  )
  const { deferred, released, remaining } = recognition
  return [...head, `deferred ${deferred}, released ${released}, still deferred ${remaining}`, months].join(
    '\n',
  )
}

function takenOff({ discounts = [], currency }: ChargeLine): string[] {
  return discounts.map(one => `coupon ${one.code} took ${one.amount} ${currency}`)
}

function madeUp({ makes_up_for: madeUpFor, amount, currency }: ChargeLine): string[] {
  if (madeUpFor === undefined) return []
  const { bound, amount: owed, counted } = madeUpFor
  const most = bound === 'maximum' ? 'at most' : 'at least'
  const counts = counted.map(one => `${one.price} ${one.amount}`).join(', ') || 'nothing'
  return [`${bound}: ${most} ${owed} ${currency}; what counts: ${counts}; the difference is ${amount}`]
}

function wordsOfDelivery({ connection, state, external_id: id, code }: Delivery): string {
  return `${connection}: ${state}${id === '' ? '' : ` as ${id}`}${code === '' ? '' : ` (${code})`}`
}
