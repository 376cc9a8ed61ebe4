// Appends messages behind a known last message of their subject: all of them, or none.
// Invariant: the fence (`Nats-Expected-Last-Subject-Sequence`) travels with the first message, so that of two processes
// which append behind the same message one is refused.
//
// The batch headers are written here, because the client's own batch publisher hides the server's error code.

import { randomUUID } from 'node:crypto'
import { JetStreamApiCodes } from '@nats-io/jetstream'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'

export interface Outgoing {
  readonly bytes: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly lastSequence: number }
  | { readonly kind: 'fenced' }

/** The most messages that one atomic batch may hold. */
export const maxBatchMessages = 1_000

interface PublishAnswer {
  readonly seq?: number
  readonly error?: { readonly err_code?: number; readonly description?: string }
}

/**
 * `expectedLast` is the sequence of the newest message of the subject, 0 when there is none. Throws when the answer did
 * not come or was another refusal: then the caller reads the subject to learn what is there.
 */
export async function appendAll(
  nc: NatsConnection,
  natsSubject: string,
  messages: readonly Outgoing[],
  expectedLast: number,
  timeoutMs: number,
): Promise<AppendOutcome> {
  if (messages.length === 0) return { kind: 'appended', lastSequence: expectedLast }
  if (messages.length > maxBatchMessages)
    throw new RangeError(`${messages.length} messages exceed an atomic batch`)
  const batchId = randomUUID()
  let lastSequence = expectedLast
  for (const [index, message] of messages.entries()) {
    const isLast = index === messages.length - 1
    const messageHeaders = headersOf(message)
    if (index === 0) messageHeaders.set('Nats-Expected-Last-Subject-Sequence', String(expectedLast))
    if (messages.length > 1) {
      messageHeaders.set('Nats-Batch-Id', batchId)
      messageHeaders.set('Nats-Batch-Sequence', String(index + 1))
      if (isLast) messageHeaders.set('Nats-Batch-Commit', '1')
    }
    // The server answers the first message, with nothing when all is well, and the last.
    if (index > 0 && !isLast) {
      nc.publish(natsSubject, message.bytes, { headers: messageHeaders })
      continue
    }
    const answer = await nc.request(natsSubject, message.bytes, {
      headers: messageHeaders,
      timeout: timeoutMs,
    })
    const { error, seq }: PublishAnswer = answer.data.length === 0 ? {} : answer.json<PublishAnswer>()
    if (error?.err_code === JetStreamApiCodes.StreamWrongLastSequence) return { kind: 'fenced' }
    if (error !== undefined)
      throw new Error(`the broker refused ${natsSubject}: ${error.description ?? error.err_code}`)
    lastSequence = seq ?? lastSequence
  }
  return { kind: 'appended', lastSequence }
}

function headersOf(message: Outgoing): MsgHdrs {
  const result = headers()
  for (const [name, value] of Object.entries(message.headers ?? {})) result.set(name, value)
  return result
}
