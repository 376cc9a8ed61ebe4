// Parses a JetStream server's answers to a pull: messages, numbered in their reply subject, and status lines.

import type { InputMessage } from '../core/decode/decode.js'
import type { MessageHead } from './bulk-transport.js'

/** An input message as it was read. */
export interface ReadMessage extends InputMessage {
  /** When this process read the message. */
  readonly readAtMs: number
  readonly head: MessageHead
  /** Gives back the memory of the bytes. */
  readonly release: () => void
  /** It was published to the partition that it belongs to, and is only counted here as read. */
  readonly isElsewhere?: true
}

export interface Delivery {
  readonly streamSeq: number
  /** The number of this delivery on its consumer, from 1. */
  readonly consumerSeq: number
  readonly storedAtMs: number
  /** Messages that the server still has for this consumer. */
  readonly pending: number
}

export type PullStatus =
  | { readonly kind: 'heartbeat' }
  /** `tooLarge`: the next message exceeds the bytes that are left of the pull. */
  | { readonly kind: 'end_of_pull'; readonly tooLarge: boolean }
  | { readonly kind: 'interrupted'; readonly detail: string }

/** Parses the reply subject of a message; undefined for a status line. */
export function deliveryOf(reply: string): Delivery | undefined {
  if (!reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  // $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>; with a domain and an
  // account hash before the stream, 2 more.
  const at = tokens.length >= 11 ? 2 : 0
  const nanoseconds = tokens[at + 7]!
  return {
    streamSeq: Number(tokens[at + 5]),
    consumerSeq: Number(tokens[at + 6]),
    storedAtMs: Number(nanoseconds.slice(0, -6)),
    pending: Number(tokens[at + 8]),
  }
}

export function statusOf({ code, description }: MessageHead): PullStatus {
  if (code === 100) return { kind: 'heartbeat' }
  const tooLarge = code === 409 && /exceeds maxbytes/i.test(description)
  const completed = code === 409 && /batch completed/i.test(description)
  if (code === 404 || code === 408 || tooLarge || completed) return { kind: 'end_of_pull', tooLarge }
  return { kind: 'interrupted', detail: `${code} ${description}`.trim() }
}
