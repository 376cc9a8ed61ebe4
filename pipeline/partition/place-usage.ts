// Usage that was admitted, the general way: what its meters read of it, then where it goes.

import type { ReceivedEvent } from '../stages/decode.js'
import { normalizeEvents } from '../stages/normalize.js'
import { refuse } from './admit.js'
import type { Batch } from './batch.js'
import { placeEvent } from './waiting.js'

export function placeUsage(batch: Batch, usage: readonly ReceivedEvent[]): void {
  const normalized = normalizeEvents(usage, batch.book.catalog)
  normalized.forEach((outcome, index) => {
    const received = usage[index]!
    if (outcome.kind === 'metered') placeEvent(batch, outcome.event, received.raw, 'received')
    else if (outcome.kind === 'unmetered') batch.counted('unmetered')
    else refuse(batch, received, outcome.rejection)
  })
}
