// The reconciliation of a running Weir: its route, and its last outcome as metrics.

import type { Feature } from '../feature/feature.js'
import { daysRoute } from './days-routes.js'
import { registerReconciliation } from './gauges.js'
import { reconcileReceiver } from './receiver.js'
import { receiverRoute } from './receiver-routes.js'
import { reconcile } from './reconcile.js'
import { reconciliationRoute } from './routes.js'

export const reconcileFeature: Feature = {
  name: 'reconcile',
  routes: ({
    queries,
    nc,
    js,
    jsm,
    buckets: { sinks, runs, taxes, tokens },
    feeds,
    stoppedPartitions,
    registry,
    config,
    customerIds,
  }) => {
    const told = registerReconciliation(registry)
    const options = {
      clickhouse: queries,
      nc,
      js,
      jsm,
      sinks,
      runs,
      taxes,
      feeds,
      stopped: stoppedPartitions,
    }
    return [
      reconciliationRoute(async () => {
        const report = await reconcile(options)
        told(report)
        return report
      }),
      daysRoute(options),
      receiverRoute((...asked) =>
        reconcileReceiver({ ...options, shared: { config, customerIds, tokens, sinks, jsm } }, ...asked),
      ),
    ]
  },
}
