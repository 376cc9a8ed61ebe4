// Turns message bytes into events with a valid envelope; later stages interpret the events.
// Invariant: nothing is lost. Every event of a message gives one outcome, in order; a message that cannot be read at all
// gives one outcome.

import type { MessageHeaders } from '../../../schemas/event/binary-mode.js'
import {
  maxEventsOfMessage,
  type ParsedMessage,
  parseMessage,
  validateEvent,
} from '../../../schemas/event/cloud-event.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import type { EventStream } from '../../../schemas/event/event-stream.js'
import { messageFormOf } from '../../../schemas/event/media-types.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { type Rejection, rejected } from '../../../schemas/rejection.js'
import { hasCompressedBuffers } from '../../../schemas/usage-batch/usage-batch-stream.js'

/** One stream message: one or many events. */
export interface InputMessage {
  readonly seq: number
  readonly arrivedAtMs: number
  readonly bytes: Uint8Array
  readonly contentType?: string
  /** The encoding of `bytes` as they came from the broker; undefined once a worker has decompressed them. */
  readonly contentEncoding?: string
  /** Of a message in CloudEvents' binary mode: its headers. Undefined once a worker has put them into `bytes`. */
  readonly headers?: MessageHeaders
  /** Why the message cannot be read at all, when that is known before it is parsed. */
  readonly refusal?: Rejection
  /** With a refusal: the attributes that could be read of the event, if they are not in `bytes`. */
  readonly attributes?: Readonly<Record<string, unknown>>
}

export interface ReceivedEvent {
  readonly kind: 'event'
  readonly event: ValidEvent
  readonly arrivedAtMs: number
  readonly input: EventInput
  /** The parsed JSON as it was sent: the payload of a dead letter. */
  readonly raw: unknown
}

export interface RefusedEvent {
  readonly kind: 'refused'
  readonly rejection: Rejection
  readonly arrivedAtMs: number
  readonly input: EventInput
  readonly raw: unknown
}

export type Decoded = ReceivedEvent | RefusedEvent

/** How much of an unreadable message is kept as the payload of its dead letter. */
const unreadableBytesKept = 4096

/** `stream`: from which the messages were read. */
export function decodeMessages(
  messages: readonly InputMessage[],
  stream: EventStream = 'METERING',
): Decoded[] {
  const out: Decoded[] = []
  for (const message of messages) decodeMessage(message, stream, out)
  return out
}

/**
 * Whether no event of the message can be of a type `weir.*`, by its bytes alone: neither the name nor an escape that
 * could spell it occurs, and nothing is compressed. May say no of a message that holds usage only, never yes of one that does not.
 */
export function holdsUsageOnly(message: InputMessage): boolean {
  if (messageFormOf(message.contentType, message.bytes) === 'usage_batch') {
    if (hasCompressedBuffers(message.bytes)) return false
  }
  const { buffer, byteOffset, byteLength } = message.bytes
  const bytes = Buffer.from(buffer, byteOffset, byteLength)
  return !bytes.includes('weir.') && !bytes.includes('\\u')
}

function decodeMessage(message: InputMessage, stream: EventStream, out: Decoded[]): void {
  const { arrivedAtMs } = message
  const input = { stream, sequence: message.seq }
  const parsed: ParsedMessage =
    message.refusal === undefined
      ? parseMessage(message.bytes, message.contentType, maxEventsOfMessage)
      : { kind: 'rejected', rejection: message.refusal }
  if (parsed.kind === 'rejected') {
    out.push({ kind: 'refused', rejection: parsed.rejection, arrivedAtMs, input, raw: unreadable(message) })
    return
  }
  if (parsed.events.length === 0 && isBlank(message.bytes)) {
    const { rejection } = rejected('empty_message', 'The message is empty: its producer sent no event.')
    out.push({ kind: 'refused', rejection, arrivedAtMs, input, raw: '' })
    return
  }
  for (const item of parsed.events) {
    if (item.kind === 'rejected') {
      out.push({ kind: 'refused', rejection: item.rejection, arrivedAtMs, input, raw: item.raw })
      continue
    }
    out.push(validated(item.value, arrivedAtMs, input))
  }
}

/** Whether there is nothing but ASCII white space, as in a message that was published by mistake. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte <= 32)
}

/** Decodes the bytes of one event; undefined when they are not JSON. */
export function decodeEvent(bytes: Uint8Array, arrivedAtMs: number, input: EventInput): Decoded | undefined {
  const text = decodeUtf8(bytes)
  const parsed = text === undefined ? undefined : parseJson(text)
  return parsed?.kind === 'ok' ? validated(parsed.value, arrivedAtMs, input) : undefined
}

function validated(value: unknown, arrivedAtMs: number, input: EventInput): Decoded {
  const valid = validateEvent(value, arrivedAtMs)
  return valid.kind === 'ok'
    ? { kind: 'event', event: valid.value, arrivedAtMs, input, raw: value }
    : { kind: 'refused', rejection: valid.rejection, arrivedAtMs, input, raw: value }
}

/** What is kept of a message that cannot be read, for its dead letter. */
function unreadable(message: InputMessage): unknown {
  const { attributes } = message
  return attributes === undefined ? beginningOf(message) : { ...attributes, data: beginningOf(message) }
}

/** As text, or in base64 when it is binary. */
function beginningOf({ bytes, contentType, contentEncoding }: InputMessage): string {
  const isBinary = contentEncoding !== undefined || messageFormOf(contentType, bytes) === 'usage_batch'
  const kept = Buffer.from(bytes.subarray(0, isBinary ? (unreadableBytesKept / 4) * 3 : unreadableBytesKept))
  return kept.toString(isBinary ? 'base64' : 'utf8')
}

/** An attribute of an event that was refused, for its dead letter; '' when it cannot be read. */
export function attributeOf(raw: unknown, name: 'source' | 'id' | 'type' | 'subject'): string {
  const value = isRecord(raw) ? raw[name] : undefined
  // Through UTF-8 and back, so that half a surrogate pair becomes a replacement character.
  return typeof value === 'string' ? Buffer.from(value.slice(0, 256), 'utf8').toString('utf8') : ''
}
