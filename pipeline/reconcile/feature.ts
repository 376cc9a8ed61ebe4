// The reconciliation of a running Weir: its route.

import type { Feature } from '../feature/feature.js'
import { reconcile } from './reconcile.js'
import { reconciliationRoute } from './routes.js'

export const reconcileFeature: Feature = {
  name: 'reconcile',
  routes: ({ queries, nc, js, jsm, buckets: { sinks, runs }, feeds, stoppedPartitions }) => [
    reconciliationRoute(() =>
      reconcile({ clickhouse: queries, nc, js, jsm, sinks, runs, feeds, stopped: stoppedPartitions }),
    ),
  ],
}
