// Reads the messages of a stream by sequence, in order and without a hole.
// Invariants:
// 1. The caller's record says where to begin. The consumer is an ephemeral cursor that acknowledges nothing.
// 2. Nothing is skipped. The server numbers what it delivers: a number that is not the next one throws, and
//    so does a pull without messages after which the server has delivered more than arrived here.
//
// `fetch` with `max_bytes` also asks for at most 100 messages. A pull that reaches either limit ends with an
// status 409 after the messages; that is not an error here, nor when the next message alone is larger than the pull: then one
// pull is as large as the largest message. When 409 meant something else, such as a consumer that is gone, the next pull brings
// nothing and throws it.

import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JetStreamClient,
  JetStreamError,
  type JetStreamManager,
} from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import type { FeedMessage, FeedRange } from '../../sinks/sink.js'
import type { ReadHeader } from '../tracing/spans.js'
import { type DeliverLimits, largestPullBytes } from './deliver-limits.js'
import { FeedFailure } from './delivery-lease.js'
import type { Intent } from './delivery-record.js'

export interface FeedSource {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly stream: string
  readonly filterSubjects: readonly string[]
}

export interface ReadMessage extends FeedMessage {
  /** Messages of this feed that the server still holds after this one. */
  readonly pending: number
  /** Its headers by name in lower case. */
  readonly header?: ReadHeader
  /** No commit names it: it is skipped, and its bytes are left out. */
  readonly foreign?: true
}

type PullLimits = Pick<DeliverLimits, 'pullBytes' | 'pullExpiresMs' | 'idleHeartbeatMs'>

/** Everything from `fromSequence` on, for as long as the caller iterates. Throws when the reading is interrupted. */
export async function* readFeed(
  source: FeedSource,
  fromSequence: number,
  limits: PullLimits,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void, undefined> {
  const cursor = await source.jsm.consumers.add(source.stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: fromSequence,
    filter_subjects: [...source.filterSubjects],
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(60_000),
  })
  try {
    const consumer = await source.js.consumers.get(source.stream, cursor.name)
    let delivered = 0
    let isTooSmall: boolean = false
    while (!signal.aborted) {
      const before = delivered
      const pullBytes: number = isTooSmall ? Math.max(limits.pullBytes, largestPullBytes) : limits.pullBytes
      isTooSmall = false
      try {
        for await (const message of pull(consumer, { ...limits, pullBytes }, signal)) {
          delivered += 1
          if (message.deliverySequence !== delivered)
            throw interrupted(source, 'a message was lost on the way')
          yield message
        }
      } catch (error) {
        isTooSmall = isLargerThanPull(error) && pullBytes < largestPullBytes
        if (!isTooSmall) throw error
      }
      if (delivered > before || isTooSmall || signal.aborted) continue
      const info = await consumer.info()
      if (info.delivered.consumer_seq !== delivered) throw interrupted(source, 'the last messages were lost') // 2
    }
  } finally {
    await source.jsm.consumers.delete(source.stream, cursor.name).catch(() => false) // it would expire by itself
  }
}

/**
 * Exactly the messages of an intent. `read`: the feed's messages after its position. Throws `FeedFailure`
 * when the stream no longer holds them.
 */
export async function readRange(
  source: FeedSource,
  intent: Intent,
  read: AsyncIterable<ReadMessage>,
  signal: AbortSignal,
): Promise<Omit<FeedRange, 'messages'> & { readonly messages: readonly ReadMessage[] }> {
  const lost = (): FeedFailure =>
    new FeedFailure(
      'range_lost',
      `${source.stream} no longer holds messages ${intent.from} to ${intent.to}, which may be half-way into the sink`,
    )
  for (const seq of [intent.from, intent.to])
    if ((await source.jsm.streams.getMessage(source.stream, { seq })) === null) throw lost()
  const messages: ReadMessage[] = []
  for await (const message of read) {
    if (message.sequence > intent.to) throw lost()
    messages.push(message)
    if (message.sequence === intent.to) break
  }
  if (!signal.aborted && messages[0]?.sequence !== intent.from) throw lost()
  return { stream: source.stream, messages, ...intent }
}

/** The status with which the server ends a pull early. */
const pullEnded = 409

interface NumberedMessage extends ReadMessage {
  readonly deliverySequence: number
}

async function* pull(
  consumer: Consumer,
  limits: PullLimits,
  signal: AbortSignal,
): AsyncGenerator<NumberedMessage, void, undefined> {
  const messages = await consumer.fetch({
    max_bytes: limits.pullBytes,
    expires: limits.pullExpiresMs,
    idle_heartbeat: limits.idleHeartbeatMs,
  })
  const stop = (): void => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let received = 0
  try {
    for await (const message of messages) {
      received += 1
      const { streamSequence, deliverySequence, pending } = message.info
      yield {
        sequence: streamSequence,
        natsSubject: message.subject,
        bytes: message.data,
        storedAtMs: Math.floor(message.info.timestampNanos / 1_000_000),
        pending,
        deliverySequence,
        header: name => message.headers?.get(name) || undefined,
      }
    }
  } catch (error) {
    if (!(received > 0 && isFullPull(error))) throw error
  } finally {
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
}

function isFullPull(error: unknown): boolean {
  return error instanceof JetStreamError && 'code' in error && error.code === pullEnded
}

/** The next message does not fit into the pull. */
function isLargerThanPull(error: unknown): boolean {
  return isFullPull(error) && /exceeds maxbytes/i.test((error as Error).message)
}

function interrupted(source: FeedSource, detail: string): Error {
  return new Error(`reading ${source.stream} was interrupted: ${detail}`)
}
