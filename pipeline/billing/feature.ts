// The billing feature: the feed that makes sealed charges into billing batches, and the routes of billing
// runs.

import { hasSubscription } from '../../sinks/clickhouse/billing-evidence.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import { feedOf } from '../deliver/feed.js'
import type { Feature, FeatureParts } from '../feature/feature.js'
import { Acknowledgements } from './acknowledgements.js'
import { batchFacts } from './batch-facts.js'
import { BillingRuns } from './billing-runs.js'
import { createBillingSink, defaultLinesPerBatch } from './billing-sink.js'
import { holdRoutes } from './hold-routes.js'
import { BillingHolds } from './holds.js'
import { openBilling } from './open-billing.js'
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
          ...{ bulk, js, jsm, runs },
          linesPerBatch: defaultLinesPerBatch,
          timeoutMs: brokerTimeoutMs,
        })
      },
    },
  ],
  openBilling(parts) {
    const { jsm, buckets, audit } = parts
    const acknowledgements = new Acknowledgements({ jsm, runs: buckets.runs, nowMs: Date.now, audit })
    return openBilling({ api: billingRunsOf(parts), acknowledgements, runs: buckets.runs })
  },
  async routes(parts) {
    const billingRuns = billingRunsOf(parts)
    await billingRuns.resume()
    const { queries } = parts
    const isKnown = (customer: string, subscription: string | null) =>
      hasSubscription(queries, customer, subscription).catch(() => undefined)
    return [...billingRunRoutes(billingRuns), ...holdRoutes(holdsOf(parts), isKnown)]
  },
}

type Parts = Pick<
  FeatureParts,
  'config' | 'js' | 'jsm' | 'buckets' | 'audit' | 'stoppedPartitions' | 'flow' | 'gates'
>

function holdsOf({ jsm, buckets, audit, gates }: Parts): BillingHolds {
  return new BillingHolds({ jsm, runs: buckets.runs, nowMs: Date.now, audit, gates })
}

function billingRunsOf(parts: Parts): BillingRuns {
  const { config, js, jsm, buckets, audit, stoppedPartitions, flow } = parts
  return new BillingRuns({
    js,
    jsm,
    runs: buckets.runs,
    partitions: config.partitions,
    nowMs: Date.now,
    gate: flow,
    holds: holdsOf(parts),
    audit,
    stoppedPartitions,
  })
}
