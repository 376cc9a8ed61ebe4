// The billing feature: the feed that makes sealed charges into billing batches, and the routes of billing
// runs.

import { isCovered, recordedPosition } from '../deliver/delivered.js'
import { feedOf } from '../deliver/feed.js'
import type { Feature } from '../feature/feature.js'
import { batchFacts } from './batch-facts.js'
import { BillingRuns } from './billing-runs.js'
import { createBillingSink, defaultLinesPerBatch } from './billing-sink.js'
import { billingRunRoutes } from './routes.js'

/** The feed that brings charges, rated usage and invoices to ClickHouse. */
const ledgerInClickHouse = 'clickhouse'
const brokerTimeoutMs = 10_000

export const billingFeature: Feature = {
  name: 'billing',
  feeds: () => [
    {
      key: 'billing',
      stream: 'LEDGER',
      filterSubjects: ['ledger.*.sealed'],
      openSink: ({ bulk, js, jsm, buckets, approvals, queries: clickhouse, feeds }) => {
        const feed = feedOf(feeds, ledgerInClickHouse)
        const isDelivered = async (sequence: number) =>
          isCovered({ jsm, ...feed }, await recordedPosition(buckets.sinks, feed.key), sequence)
        const { runs } = buckets
        const facts = batchFacts({ jsm, runs, clickhouse, approvals, isDelivered })
        return createBillingSink({
          hold: { jsm, runs, approvals, facts },
          bulk,
          js,
          runs: buckets.runs,
          linesPerBatch: defaultLinesPerBatch,
          timeoutMs: brokerTimeoutMs,
        })
      },
    },
  ],
  async routes({ config, js, jsm, buckets, audit, stoppedPartitions, flow }) {
    const billingRuns = new BillingRuns({
      js,
      jsm,
      runs: buckets.runs,
      partitions: config.partitions,
      nowMs: Date.now,
      gate: flow,
      audit,
      stoppedPartitions,
    })
    await billingRuns.resume()
    return billingRunRoutes(billingRuns)
  },
}
