// Brings what people answered to waiting arrivals to the shelf: a discarded one is not tried again, until the discard is taken
// back.
// Invariant: the answers of one arrival are applied in their order, so applying a range again ends the same.

import type { KV } from '@nats-io/kv'
import { resolutionMessageSchema } from '../../schemas/exception-resolution.js'
import type { FeedRange, Sink, SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import { markDiscarded } from './waiting-shelf.js'

export class DiscardAnswers implements Sink {
  readonly name = 'sources'
  readonly #kv: KV

  constructor(kv: KV) {
    this.#kv = kv
  }

  async apply({ messages }: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    let rows = 0
    try {
      for (const { bytes } of messages) {
        signal.throwIfAborted()
        const parsed = resolutionMessageSchema.safeParse(JSON.parse(Buffer.from(bytes).toString() || 'null'))
        if (!parsed.success) continue // the feed of ClickHouse tells of it
        for (const { kind, event_source, event_id } of parsed.data.exceptions) {
          if (kind !== 'waiting_arrival') continue
          await markDiscarded(this.#kv, event_source, event_id, parsed.data.resolution === 'discarded')
          rows += 1
        }
      }
      return { kind: 'ok', rows }
    } catch (error) {
      return brokerUnavailable(error)
    }
  }
}
