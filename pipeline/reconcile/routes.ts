// The route behind `weir reconcile`; the caller provides the function that makes the report.

import { z } from 'zod'
import { type ApiRoute, needs } from '../gateway/route.js'

/** The conservation law and the totals as JSON; `ok` is false when anything differs. */
export interface ReconciliationReport {
  readonly ok: boolean
}

export type Reconcile = () => Promise<ReconciliationReport>

const reportSchema = z.looseObject({ ok: z.boolean() }).meta({ id: 'Reconciliation' })

export function reconciliationRoute(reconcile: Reconcile): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/reconciliation',
    access: needs('read'),
    operationId: 'getReconciliation',
    summary: 'The conservation law, and ingest = rated = billed = posted = ClickHouse, with the differences',
    responses: { 200: { description: 'The report, differences or not', schema: reportSchema } },
    handle: async () => ({ status: 200, body: await reconcile() }),
  }
}
