// The last page of the demo: the events sent, their dispositions, the amounts, and whether the sums agree.

import { Decimal } from 'decimal.js'
import picocolors from 'picocolors'
import { printReceiver } from '../reconcile/receiver-command.js'
import type { ReceiverReport } from '../reconcile/receiver-report.js'
import { plainTable } from '../terminal/table.js'
import type { Check } from './checks.js'
import type { CustomerFigure, Figures } from './figures.js'

export interface DemoReport {
  readonly title: string
  readonly seconds: { readonly start: number; readonly traffic: number; readonly total: number }
  readonly figures: Figures
  readonly customers: readonly CustomerFigure[]
  /** What the fake ERP has against what it was sent. */
  readonly erp?: ReceiverReport
  readonly checks: readonly Check[]
}

export function demoPage(report: DemoReport, colours: boolean): string {
  const paint = picocolors.createColors(colours)
  const { figures, checks } = report
  const heading = (text: string): string => `\n${paint.bold(text)}\n`
  const failed = checks.filter(one => !one.ok)
  const verdict =
    failed.length === 0
      ? paint.green(`✔ all ${checks.length} checks agree with the independent sum, to the last digit`)
      : paint.red(`✘ ${failed.length} of ${checks.length} checks do not agree`)
  return [
    heading(`Weir demo: ${report.title}`),
    events(figures),
    heading('Heaviest customers'),
    customers(report.customers),
    heading('From usage to the books'),
    money(figures),
    ...(report.erp === undefined
      ? []
      : [heading(`The month in the fake ${report.erp.connection}`), printReceiver(report.erp)]),
    heading('Checks against an independent sum'),
    checkTable(checks, paint.green('✔'), paint.red('✘')),
    '',
    verdict,
    `Started in ${report.seconds.start.toFixed(1)} s, traffic rated and delivered in ${report.seconds.traffic.toFixed(1)} s, all in ${report.seconds.total.toFixed(1)} s.`,
    '',
  ].join('\n')
}

function events(figures: Figures): string {
  return rows([
    ['received', count(figures.received), 'acknowledged when on disk'],
    [
      'rated',
      count(figures.rated),
      `${count(figures.corrections)} correction rows after back-dated amendments`,
    ],
    ['applied', count(figures.applied), 'catalog and subscription changes'],
    ['duplicate', count(figures.duplicate), 'sent twice, counted once'],
    ['conflicting', count(figures.conflicting), 'same id, other content: the first is kept'],
    ['parked', count(figures.parked), 'no such customer yet'],
    ['dead letters', count(figures.deadLettered), 'no usable value, never taken for 0'],
  ])
}

function money(figures: Figures): string {
  return rows([
    ['usage rated', dollars(figures.usageAmount), 'rated_usage in ClickHouse'],
    ['usage charged', dollars(figures.chargedUsage), 'the charges of the billing run'],
    [
      'recurring charged',
      dollars(figures.chargedRecurring),
      'prorated by the second; the next month where it is paid in advance',
    ],
    ['invoiced', dollars(figures.invoiced), `${count(figures.charges)} charges, each to the cent`],
    [
      'billing batches',
      dollars(figures.batched),
      `${count(figures.batches)} batches, ${count(figures.batchLines)} lines`,
    ],
    ['posted', dollars(figures.debits), `${count(figures.journalEntries)} balanced journal entries`],
    ['MRR', dollars(figures.mrr), 'at the end of the month'],
  ])
}

function customers(figures: readonly CustomerFigure[]): string {
  return plainTable(
    ['customer', 'plan', 'tokens', 'usage', 'charged'],
    ['left', 'left', 'right', 'right', 'right'],
    figures.map(one => [
      one.customer_id,
      one.plan,
      count(Number(one.tokens)),
      dollars(one.usage),
      dollars(one.charged),
    ]),
  )
}

function checkTable(checks: readonly Check[], ok: string, failed: string): string {
  return plainTable(
    ['', '', 'expected', 'found'],
    ['left', 'left', 'right', 'right'],
    checks.map(one => [one.ok ? ok : failed, one.what, one.expected, one.found]),
  )
}

function rows(lines: readonly (readonly [string, string, string])[]): string {
  return plainTable([], ['left', 'right', 'left'], lines)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function dollars(text: string): string {
  const value = new Decimal(text)
  const places = Math.max(2, value.decimalPlaces())
  const [whole, fraction] = value.toFixed(places).split('.')
  return `$${Number(whole).toLocaleString('en-US')}.${fraction}`
}
