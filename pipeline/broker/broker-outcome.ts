// The outcome of a broker error for a sink that writes back into JetStream: always `retryable`.

import type { SinkOutcome } from '../../sinks/sink.js'

export function brokerUnavailable(error: unknown): SinkOutcome {
  return {
    kind: 'retryable',
    code: 'broker_unavailable',
    detail: error instanceof Error ? error.message : String(error),
  }
}
