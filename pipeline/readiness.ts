// Whether Weir is ready: every partition is worked on, here or elsewhere, and every sink moves.
// A sink in trouble is shown but takes no readiness away: events are safe in the ledger (invariant I7 of the design).

import type { DeliveryStatus } from './deliver/delivery-status.js'
import type { Readiness } from './gateway/health.js'
import type { EngineStatus } from './partition/engine.js'

export function readinessOf(status: {
  readonly partitions: readonly EngineStatus[]
  readonly feeds: readonly DeliveryStatus[]
}): Readiness {
  const partitions = status.partitions.map(engine => ({
    name: `partition_${engine.partition}`,
    ok: engine.state === 'running' || engine.state === 'fenced',
    detail: engine.failure?.detail ?? engine.state,
  }))
  const feeds = status.feeds.map(feed => ({
    name: `sink_${feed.key}`,
    ok: feed.state === 'running' || feed.state === 'standby',
    detail:
      feed.trouble === undefined ? feed.state : `${feed.state}: ${feed.trouble.code}: ${feed.trouble.detail}`,
  }))
  return { ready: partitions.every(check => check.ok), checks: [...partitions, ...feeds] }
}
