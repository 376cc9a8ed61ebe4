// Where commits and snapshots are published to the broker: messages whose payloads go to the socket as they are. The client
// copies each payload into a buffer of its own and all of them into another one, and drops both.
//
// Invariants, besides those of pipeline/broker/atomic-batch.ts:
// 1. The bytes of a batch stay untouched until its outcome is known, and after an `unknown` one until a later try of the
//    same bytes is settled: until then the socket may still be sending them.
// 2. A batch is sent whole on one socket or not at all. When the socket is lost, the outcome is `unknown`.

import { createInbox, type NatsConnection, nuid } from '@nats-io/transport-node'
import {
  type BatchAnswer,
  type BatchMessage,
  type BatchOutcome,
  batchHeaders,
  type Fence,
  outcomeOf,
} from './atomic-batch.js'
import { BulkLink } from './bulk-link.js'
import { MessageHead, type WireMessage } from './wire-parser.js'

const links = new WeakMap<NatsConnection, PublishLink>()

/** One link beside each connection. */
export function publishLinkOf(nc: NatsConnection): PublishLink {
  const before = links.get(nc)
  if (before !== undefined) return before
  const link = new PublishLink(nc)
  links.set(nc, link)
  return link
}

/** Names and values. */
type Headers = readonly (readonly [string, string])[]

interface UnderWay {
  readonly count: number
  readonly settle: (outcome: BatchOutcome) => void
}

export class PublishLink {
  readonly #link: BulkLink
  /** By the number of the inbox that waits for the answer. */
  readonly #underWay = new Map<number, UnderWay>()
  #nextSid = 1

  constructor(nc: NatsConnection) {
    this.#link = new BulkLink(nc, {
      memoryFor: (sid, length) => (this.#underWay.has(sid) ? new Uint8Array(length) : undefined),
      onMessage: message => this.#onAnswer(message),
      onLost: detail => this.#onLost(detail),
    })
  }

  /** Publishes the messages as one batch and says what became of them. Never throws for what the broker may do. */
  publishBatch(messages: readonly BatchMessage[], fence: Fence, timeoutMs: number): Promise<BatchOutcome> {
    const id = nuid.next()
    const headers = messages.map((_, index) => batchHeaders(id, messages, index, fence))
    return this.#publish(messages, headers, timeoutMs)
  }

  /** Publishes one message to a stream and says what became of it. */
  publish(message: BatchMessage, timeoutMs: number): Promise<BatchOutcome> {
    return this.#publish([message], [Object.entries(message.headers ?? {})], timeoutMs)
  }

  async #publish(
    messages: readonly BatchMessage[],
    headers: readonly Headers[],
    timeoutMs: number,
  ): Promise<BatchOutcome> {
    const socket = await this.#link.reachedWithin(timeoutMs)
    if (socket === undefined) return unknown('the broker is out of reach')
    const inbox = createInbox()
    const { parts, largest } = wireOf(messages, headers, inbox)
    if (largest > socket.maxPayload)
      return { kind: 'too_large', detail: `${largest} bytes; the broker takes ${socket.maxPayload}` }
    const sid = this.#nextSid
    this.#nextSid += 1
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        socket.write(`UNSUB ${sid}\r\n`)
        settle(unknown('the broker did not answer in time'))
      }, timeoutMs)
      const settle = (outcome: BatchOutcome): void => {
        clearTimeout(timer)
        this.#underWay.delete(sid)
        resolve(outcome)
      }
      this.#underWay.set(sid, { count: messages.length, settle })
      socket.write(`SUB ${inbox} ${sid}\r\nUNSUB ${sid} 1\r\n`)
      socket.writeAll(parts)
    })
  }

  #onAnswer({ sid, memory, headLength }: WireMessage): void {
    const { count, settle } = this.#underWay.get(sid) ?? {}
    if (count === undefined || settle === undefined) return
    const { code, description } = new MessageHead(memory.subarray(0, headLength))
    const text = Buffer.from(memory.buffer, memory.byteOffset + headLength).toString('utf8')
    if (code !== 0)
      settle(unknown(`the broker answered ${code} ${description}`)) // nobody listens there
    else settle(answered(text, count))
  }

  #onLost(detail: string): void {
    const lost = [...this.#underWay.values()]
    for (const { settle } of lost) settle(unknown(`the connection to the broker was lost: ${detail}`)) // invariant 2
  }
}

function unknown(detail: string): BatchOutcome {
  return { kind: 'unknown', detail }
}

/** One message that is no batch is answered without a count. */
function answered(text: string, count: number): BatchOutcome {
  try {
    const answer = JSON.parse(text) as BatchAnswer
    return outcomeOf(count === 1 ? { count, ...answer } : answer, count)
  } catch {
    return unknown(`the broker answered ${text}`)
  }
}

/** `HPUB <subject> [reply] <bytes of the head> <bytes in all>`, the head, the payload, for each message. */
function wireOf(
  messages: readonly BatchMessage[],
  headers: readonly Headers[],
  inbox: string,
): { readonly parts: readonly Uint8Array[]; readonly largest: number } {
  const parts: Uint8Array[] = []
  let largest = 0
  let lineEnd = ''
  messages.forEach(({ natsSubject, bytes }, index) => {
    const lines = headers[index]!.map(([name, value]) => `${name}: ${value}\r\n`)
    const head = `NATS/1.0\r\n${lines.join('')}\r\n`
    const length = head.length + bytes.length
    const reply = index === messages.length - 1 ? `${inbox} ` : ''
    const line = `HPUB ${natsSubject} ${reply}${head.length} ${length}\r\n`
    parts.push(Buffer.from(lineEnd + line + head, 'latin1'), bytes)
    lineEnd = '\r\n'
    largest = Math.max(largest, length)
  })
  parts.push(Buffer.from(lineEnd))
  return { parts, largest }
}
