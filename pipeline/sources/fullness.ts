// Whether the stream ARRIVALS is as large as it may be, as of a few seconds ago. Who asks never waits for the broker.

import type { ArrivalLog } from './arrival-log.js'

const readEveryMs = 5_000

export function fullness(arrivals: ArrivalLog, maxBytes: number, nowMs: () => number): () => boolean {
  let bytes = 0
  let nextMs = 0
  return () => {
    if (nowMs() >= nextMs) {
      nextMs = nowMs() + readEveryMs
      void arrivals.bytes().then(
        read => {
          bytes = read
        },
        () => undefined, // the broker is away: so is the next publish
      )
    }
    return bytes > maxBytes
  }
}
