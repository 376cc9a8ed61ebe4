// Whether the gateway may take more: decided by how far the partitions and the ledger's way to ClickHouse are behind.
// Invariant: producers are slowed before anything grows without bound; nothing that was accepted is dropped.

import type { DeliveryStatus } from './deliver/delivery-status.js'
import type { Pressure } from './gateway/events.js'
import type { EngineStatus } from './partition/engine.js'

const retryAfterSeconds = 2

/** `maxPendingMessages`: input messages of one partition, or ledger messages on their way to ClickHouse. */
export function pressureOf(
  engines: readonly EngineStatus[],
  ledger: DeliveryStatus,
  maxPendingMessages: number,
): Pressure {
  const failed = engines.find(engine => engine.state === 'failed')
  if (failed !== undefined) {
    const detail = `Partition ${failed.partition} has stopped: ${failed.failure?.detail ?? 'see the log'}`
    return { kind: 'stopped', retryAfterSeconds: 30, detail }
  }
  const late = engines.some(({ lag }) => lag.metering + lag.lifecycle > maxPendingMessages)
  return late || (ledger.behind ?? 0) > maxPendingMessages
    ? { kind: 'slow', retryAfterSeconds }
    : { kind: 'ok' }
}
