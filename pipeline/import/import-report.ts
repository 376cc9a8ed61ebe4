// The report of an import: what was taken, and each thing that could not be said, for people and as JSON.
// Invariant: it holds no time of its own, so that the same import writes the same files.

import { plainTable } from '../terminal/table.js'
import type { CheckedImport } from './check-import.js'
import type { Findings } from './findings.js'
import type { SystemName } from './foreign-system.js'
import type { Finding, Period } from './imported.js'

export interface ImportReport {
  readonly system: SystemName
  readonly period: string
  readonly read: Readonly<Record<string, number>>
  readonly taken: {
    readonly customers: number
    readonly subscriptions: number
    readonly meters: number
    readonly plans: number
    readonly prices: number
    readonly identities: number
    readonly usage_events: number
    readonly billed_lines: number
  }
  readonly counts: Findings['counts']
  readonly findings: readonly Finding[]
}

const shownFindings = 40

export function reportOf(
  system: SystemName,
  { text }: Period,
  taken: CheckedImport,
  findings: Findings,
): ImportReport {
  const { lifecycle, meters, plans, identities, usage, billed, read } = taken
  const of = (type: string) => lifecycle.filter(event => event.type === type).length
  return {
    system,
    period: text,
    read,
    taken: {
      customers: of('weir.customer.upserted'),
      subscriptions: of('weir.subscription.created'),
      meters: meters.length,
      plans: plans.length,
      prices: plans.reduce((sum, plan) => sum + plan.prices.length, 0),
      identities: identities.length,
      usage_events: usage.length,
      billed_lines: billed.length,
    },
    counts: findings.counts,
    findings: findings.all,
  }
}

export function describeReport({ system, period, read, taken, counts, findings }: ImportReport): string {
  const told = (all: Readonly<Record<string, number>>) =>
    Object.entries(all)
      .map(([name, count]) => `${count} ${name.replaceAll('_', ' ')}`)
      .join(', ')
  const parts = [
    `Import from ${system}, ${period}`,
    `Read:  ${told(read) || 'nothing'}`,
    `Taken: ${told(taken)}`,
  ]
  if (counts.length > 0) {
    const rows = counts.map(({ effect, object, code, count }) => [
      effect.replace('_', ' '),
      object,
      code,
      String(count),
    ])
    parts.push('', plainTable(['', 'object', 'code', 'count'], ['left', 'left', 'left', 'right'], rows))
  }
  const shown = findings.filter(({ effect }) => effect !== 'note').slice(0, shownFindings)
  if (shown.length > 0) {
    const rows = shown.map(({ object, id, field, code, detail }) => [object, id, field, code, detail])
    parts.push(
      '',
      plainTable(
        ['object', 'id', 'field', 'code', 'why'],
        rows[0]!.map(() => 'left' as const),
        rows,
      ),
    )
  }
  const rest = findings.filter(({ effect }) => effect !== 'note').length - shown.length
  if (rest > 0) parts.push(`… and ${rest} more in import-report.json`)
  return `${parts.join('\n')}\n`
}
