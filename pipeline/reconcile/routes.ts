// The route behind `weir reconcile`; the caller provides the function that makes the report.

import { type ApiRoute, type ApiTag, needs } from '../gateway/route.js'
import { reportExample, reportSchema } from './report-shape.js'

/** The conservation law and the totals as JSON; `ok` is false when anything differs. */
export interface ReconciliationReport {
  readonly ok: boolean
}

export type Reconcile = () => Promise<ReconciliationReport>

export const reconciliationTag: ApiTag = {
  name: 'Reconciliation',
  description: 'Whether everything that was received, rated, owed, billed, posted and stored agrees.',
}

export function reconciliationRoute(reconcile: Reconcile): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/reconciliation',
    access: needs('read'),
    operationId: 'getReconciliation',
    tag: reconciliationTag,
    summary: 'Hold everything against everything',
    description:
      'The conservation law of each partition, and received = rated = owed = billed = posted = delivered = ClickHouse, to ' +
      'the last digit, open periods included. Waits up to 10 s for what still lags. It only reads.',
    responses: {
      200: { description: 'The report, differences or not.', schema: reportSchema, example: reportExample },
    },
    handle: async () => ({ status: 200, body: await reconcile() }),
  }
}
