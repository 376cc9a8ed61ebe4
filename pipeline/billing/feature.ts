// The billing feature: the feed that makes sealed charges into billing batches, and the routes of billing
// runs.

import type { Feature } from '../feature/feature.js'
import { BillingRuns } from './billing-runs.js'
import { createBillingSink, defaultLinesPerBatch } from './billing-sink.js'
import { billingRunRoutes } from './routes.js'

const brokerTimeoutMs = 10_000

export const billingFeature: Feature = {
  name: 'billing',
  feeds: () => [
    {
      key: 'billing',
      stream: 'LEDGER',
      filterSubjects: ['ledger.*.sealed'],
      openSink: ({ bulk, js, buckets }) =>
        createBillingSink({
          bulk,
          js,
          runs: buckets.runs,
          linesPerBatch: defaultLinesPerBatch,
          timeoutMs: brokerTimeoutMs,
        }),
    },
  ],
  async routes({ config, js, jsm, buckets, stoppedPartitions, flow }) {
    const billingRuns = new BillingRuns({
      js,
      jsm,
      runs: buckets.runs,
      partitions: config.partitions,
      nowMs: Date.now,
      gate: flow,
      stoppedPartitions,
    })
    await billingRuns.resume()
    return billingRunRoutes(billingRuns)
  },
}
