// One NATS atomic batch: JetStream stores all of its messages or none.
//
// The client's own batch publisher is not used: it drops `expect` on every message but the first, and reports
// a wrong count instead of the server's error code. The protocol has three headers, which this file sets.
// Invariants:
// 1. The first message carries the fence; the server checks it when the NATS atomic batch commits.
// 2. The answer to the last message decides. A missing answer is `unknown`, never a refusal.

import { nuid } from '@nats-io/transport-node'
import type { BulkTransport } from './bulk-transport.js'

export interface BatchMessage {
  readonly natsSubject: string
  readonly bytes: Uint8Array
  /** Weir's own headers. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Fence {
  /** The last sequence on the fenced subject; 0 when the subject has none. */
  readonly lastSubjectSequence: number
  /** May have wildcards. Absent: the subject of the first message. */
  readonly subject?: string
}

export type BatchOutcome =
  /** `seq` is that of the last message; the messages have consecutive sequences. */
  | { readonly kind: 'stored'; readonly seq: number; readonly count: number }
  | { readonly kind: 'fenced'; readonly detail: string }
  | { readonly kind: 'too_large'; readonly detail: string }
  /** Refused for a reason that may pass: overload, no leader, no storage left. Nothing was stored. */
  | { readonly kind: 'busy'; readonly detail: string }
  | { readonly kind: 'refused'; readonly code: number; readonly detail: string }
  /** No answer came: the messages may be stored, may be stored a little later, or not at all. */
  | { readonly kind: 'unknown'; readonly detail: string }

/** The server's error codes for a sequence that is no longer the last of its subject. */
export const wrongLastSequence: ReadonlySet<number> = new Set([10071, 10164])
const tooLarge = new Set([10054, 10199])
/** The server's error codes for: incomplete, unknown or too many batches, no leader, storage, resources. */
const passing = new Set([10008, 10009, 10023, 10028, 10047, 10077, 10167, 10176, 10210])

/** Publishes the messages as one NATS atomic batch. Never throws for the broker's failures. */
export function publishBatch(
  bulk: BulkTransport,
  messages: readonly BatchMessage[],
  fence: Fence,
  timeoutMs: number,
): Promise<BatchOutcome> {
  const id = nuid.next()
  return publish(bulk, messages, index => batchHeaders(id, messages, index, fence), timeoutMs)
}

/** Publishes one message to a stream, outside any NATS atomic batch. */
export function publishOne(
  bulk: BulkTransport,
  message: BatchMessage,
  timeoutMs: number,
): Promise<BatchOutcome> {
  return publish(bulk, [message], () => message.headers ?? {}, timeoutMs)
}

async function publish(
  bulk: BulkTransport,
  messages: readonly BatchMessage[],
  headersOf: (index: number) => Readonly<Record<string, string>>,
  timeoutMs: number,
): Promise<BatchOutcome> {
  const outgoing = messages.map((message, index) => ({ ...message, headers: headersOf(index) }))
  const answer = await bulk.request(outgoing, timeoutMs)
  if (answer.kind === 'answered') return outcomeOf(answer.text, messages.length)
  return answer.kind === 'no_answer' ? unknown(answer.detail) : answer
}

/** The message's own headers, and those of the NATS atomic batch `id`. */
function batchHeaders(
  id: string,
  messages: readonly BatchMessage[],
  index: number,
  fence: Fence,
): Readonly<Record<string, string>> {
  return {
    ...messages[index]?.headers,
    'Nats-Batch-Id': id,
    'Nats-Batch-Sequence': String(index + 1),
    ...(index === 0 ? fenceHeaders(fence) : {}), // invariant 1
    ...(index === messages.length - 1 ? { 'Nats-Batch-Commit': '1' } : {}),
  }
}

function fenceHeaders({ lastSubjectSequence, subject }: Fence): Readonly<Record<string, string>> {
  return {
    'Nats-Expected-Last-Subject-Sequence': String(lastSubjectSequence),
    ...(subject === undefined ? {} : { 'Nats-Expected-Last-Subject-Sequence-Subject': subject }),
  }
}

/** The server's answer to the last message. */
interface BatchAnswer {
  readonly seq?: number
  readonly count?: number
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string }
}

/** The outcome for `count` messages. The answer to a single message outside a batch has no count. */
function outcomeOf(text: string, count: number): BatchOutcome {
  const answer = answerIn(text)
  if (answer?.error === undefined) {
    const { seq, count: stored = count === 1 ? 1 : undefined } = answer ?? {}
    if (seq !== undefined && stored === count) return { kind: 'stored', seq, count }
    return unknown(`the broker answered ${text}`)
  }
  const { code, err_code, description } = answer.error
  const detail = `${description} (${err_code})`
  if (wrongLastSequence.has(err_code)) return { kind: 'fenced', detail }
  if (tooLarge.has(err_code)) return { kind: 'too_large', detail }
  if (passing.has(err_code) || code === 503 || code === 429) return { kind: 'busy', detail }
  return { kind: 'refused', code: err_code, detail }
}

function answerIn(text: string): BatchAnswer | undefined {
  try {
    return JSON.parse(text) as BatchAnswer
  } catch {
    return undefined
  }
}

function unknown(detail: string): BatchOutcome {
  return { kind: 'unknown', detail }
}
