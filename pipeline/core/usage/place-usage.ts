// Usage that was admitted, the general way: what its meters read of it, then where it goes.

import type { ReceivedEvent } from '../decode/decode.js'
import { normalizeEvents } from '../rate/normalize.js'
import { placeEvent } from '../re-rate/waiting.js'
import { refuse } from '../step/admit.js'
import type { Batch } from '../step/batch.js'

export function placeUsage(batch: Batch, usage: readonly ReceivedEvent[]): void {
  const normalized = normalizeEvents(usage, batch.book.catalog)
  normalized.forEach((outcome, index) => {
    const received = usage[index]!
    if (outcome.kind === 'metered') placeEvent(batch, outcome.event, received.raw, 'received')
    else if (outcome.kind === 'unmetered') batch.counted('unmetered')
    else refuse(batch, received, outcome.rejection)
  })
}
