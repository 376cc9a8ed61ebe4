// One JetStream atomic batch: every message of it is stored, or none.
//
// The client's own batch publisher is not used: it drops `expect` on every message but the first and hides the server's
// error code behind a count that does not fit. The protocol is three headers, spoken here. How the messages are sent is
// left open: `publishBatch` does it over the client; whoever has a socket of his own asks for the headers and the outcome.
// Invariants:
// 1. The fence travels on the first message; the server checks it when the batch commits.
// 2. The answer to the last message decides. No answer is `unknown`, never taken for a no.

import { errors, headers, type Msg, type NatsConnection, nuid } from '@nats-io/transport-node'
import { unlessLost, watchOf } from './connection-watch.js'

export interface BatchMessage {
  readonly natsSubject: string
  readonly bytes: Uint8Array
  /** Headers of ours. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Fence {
  /** The sequence that the last message on the first message's subject has; 0: there is none. */
  readonly lastSubjectSequence: number
}

export type BatchOutcome =
  /** `seq`: of the last message; the messages of a batch lie side by side. */
  | { readonly kind: 'stored'; readonly seq: number; readonly count: number }
  | { readonly kind: 'fenced'; readonly detail: string }
  | { readonly kind: 'too_large'; readonly detail: string }
  /** Refused for a reason that may pass: overload, no leader, no room. Nothing was stored. */
  | { readonly kind: 'busy'; readonly detail: string }
  | { readonly kind: 'refused'; readonly code: number; readonly detail: string }
  /** No answer came: it may be stored, now or a little later, or not. */
  | { readonly kind: 'unknown'; readonly detail: string }

const wrongLastSequence = new Set([10071, 10164])
const tooLarge = new Set([10054, 10199])
/** Incomplete or unknown batch, too many under way, no leader, storage, resources: from the server's error table. */
const passing = new Set([10008, 10009, 10023, 10028, 10047, 10077, 10167, 10176, 10210])

/** Publishes the messages as one batch and says what became of them. Never throws for what the broker may do. */
export async function publishBatch(
  nc: NatsConnection,
  messages: readonly BatchMessage[],
  fence: Fence,
  timeoutMs: number,
): Promise<BatchOutcome> {
  const id = nuid.next()
  let answer: Promise<Msg> | undefined
  // What is sent while the connection is down is dropped.
  if (!(await watchOf(nc).reached(timeoutMs)))
    return { kind: 'unknown', detail: 'the broker is out of reach' }
  try {
    messages.forEach((message, index) => {
      const head = headers()
      for (const [key, value] of batchHeaders(id, messages, index, fence)) head.set(key, value)
      if (index < messages.length - 1) {
        nc.publish(message.natsSubject, message.bytes, { headers: head })
      } else {
        answer = nc.request(message.natsSubject, message.bytes, { headers: head, timeout: timeoutMs })
      }
    })
    const message = await unlessLost(nc, answer!)
    if (message === undefined) return { kind: 'unknown', detail: 'the connection to the broker was lost' }
    return outcomeOf(message.json(), messages.length)
  } catch (error) {
    return classifyError(error)
  }
}

/** Names and values: the message's own, and those that make it one of a batch. `id` is the batch's. */
export function batchHeaders(
  id: string,
  messages: readonly BatchMessage[],
  index: number,
  fence: Fence,
): [string, string][] {
  const own = Object.entries(messages[index]?.headers ?? {})
  own.push(['Nats-Batch-Id', id], ['Nats-Batch-Sequence', String(index + 1)])
  if (index === 0) own.push(['Nats-Expected-Last-Subject-Sequence', String(fence.lastSubjectSequence)]) // invariant 1
  if (index === messages.length - 1) own.push(['Nats-Batch-Commit', '1'])
  return own
}

/** What the server answers to the last message. */
export interface BatchAnswer {
  readonly seq?: number
  readonly count?: number
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string }
}

/** What became of a batch of so many messages. */
export function outcomeOf(answer: BatchAnswer, count: number): BatchOutcome {
  if (answer.error === undefined) {
    if (answer.seq !== undefined && answer.count === count) return { kind: 'stored', seq: answer.seq, count }
    return { kind: 'unknown', detail: `the broker answered ${JSON.stringify(answer)}` }
  }
  const { code, err_code, description } = answer.error
  const detail = `${description} (${err_code})`
  if (wrongLastSequence.has(err_code)) return { kind: 'fenced', detail }
  if (tooLarge.has(err_code)) return { kind: 'too_large', detail }
  if (passing.has(err_code) || code === 503 || code === 429) return { kind: 'busy', detail }
  return { kind: 'refused', code: err_code, detail }
}

function classifyError(error: unknown): BatchOutcome {
  const detail = error instanceof Error ? error.message : String(error)
  if (error instanceof errors.InvalidArgumentError) return { kind: 'too_large', detail }
  return { kind: 'unknown', detail }
}
