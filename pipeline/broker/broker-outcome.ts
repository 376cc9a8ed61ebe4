// What an error of the broker means for a sink that writes back into JetStream: always that trying again may help.

import type { SinkOutcome } from '../../sinks/sink.js'

export function brokerUnavailable(error: unknown): SinkOutcome {
  return {
    kind: 'retryable',
    code: 'broker_unavailable',
    detail: error instanceof Error ? error.message : String(error),
  }
}
