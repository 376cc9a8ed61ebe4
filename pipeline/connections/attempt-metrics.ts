// The metrics of what connections try: sendings and look-ups by outcome and code, and records that are settled. Counters of this process.
// Invariant: whoever asks first makes them in the registry; all others get the same ones.

import { Counter, type Registry } from 'prom-client'
import type { DeliveryTelemetry } from '../deliver/connection-options.js'

const attempts = 'weir_connection_attempts_total'
const settled = 'weir_connection_settled_total'

export function attemptMetrics(registry: Registry): (connection: string) => DeliveryTelemetry {
  const registers = [registry]
  if (registry.getSingleMetric(attempts) === undefined) {
    const help = 'Sendings and look-ups of records at a connection, by outcome and code'
    new Counter({ name: attempts, help, labelNames: ['connection', 'outcome', 'code'], registers })
  }
  if (registry.getSingleMetric(settled) === undefined) {
    const help = 'Records that a connection has settled, by the state in which they are'
    new Counter({ name: settled, help, labelNames: ['connection', 'state'], registers })
  }
  const ofAttempts = registry.getSingleMetric(attempts) as Counter
  const ofSettled = registry.getSingleMetric(settled) as Counter
  return connection => ({
    attempted: (outcome, code = '') => ofAttempts.inc({ connection, outcome, code }),
    settled: state => ofSettled.inc({ connection, state }),
  })
}
