// The last reconciliation that was asked of this process, as metrics. Before the first one they have no series.

import { Gauge, type Registry } from 'prom-client'
import { isTrouble, type ReconcileReport } from './report.js'

/** The function that is told of each report. */
export function registerReconciliation(registry: Registry): (report: ReconcileReport) => void {
  let last: { readonly troubles: number; readonly atMs: number } | undefined
  const gauge = (name: string, help: string, read: (of: NonNullable<typeof last>) => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        if (last === undefined) this.remove()
        else this.set(read(last))
      },
    })
  }
  gauge(
    'weir_reconciliation_troubles',
    'Checks that did not agree when weir reconcile was last asked of this process',
    ({ troubles }) => troubles,
  )
  gauge(
    'weir_reconciliation_age_seconds',
    'How long ago the last reconciliation of this process was made',
    ({ atMs }) => (Date.now() - atMs) / 1_000,
  )
  return report => {
    last = { troubles: report.checks.filter(isTrouble).length, atMs: Date.now() }
  }
}
