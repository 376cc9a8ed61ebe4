// Reads the messages of a stream on some subjects once, from one sequence to another.

import { DeliverPolicy, type JetStreamClient, type JsMsg } from '@nats-io/jetstream'

export interface StreamStretch {
  readonly stream: string
  readonly filterSubject: string
  /** Both included. Without `to` the reading ends when it reaches the end of the stream. */
  readonly from: number
  readonly to?: number
  /** Messages come without their bytes. */
  readonly headersOnly?: true
}

export async function* readStretch(
  js: JetStreamClient,
  stretch: StreamStretch,
  signal: AbortSignal,
): AsyncGenerator<JsMsg, void, undefined> {
  const consumer = await js.consumers.get(stretch.stream, {
    filter_subjects: [stretch.filterSubject],
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Math.max(1, stretch.from),
    ...(stretch.headersOnly === true ? { headers_only: true } : {}),
  })
  try {
    if ((await consumer.info()).num_pending === 0) return
    const messages = await consumer.consume({ max_bytes: 8 << 20, idle_heartbeat: 1_000, expires: 5_000 })
    const stop = (): void => messages.stop()
    signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const message of messages) {
        if (stretch.to !== undefined && message.seq > stretch.to) return
        yield message
        if (message.info.pending === 0 || message.seq === stretch.to) return
      }
    } finally {
      signal.removeEventListener('abort', stop)
      messages.stop()
    }
  } finally {
    await consumer.delete().catch(() => false) // the consumer would expire by itself
  }
  signal.throwIfAborted()
}
