// Reads the message that brought an event back from its stream, and finds the event in it.
// Invariant: what is told is what the stream holds; where it holds the message no more, that is told.

import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'
import type { MessageHeaders } from '../../schemas/event/binary-mode.js'
import { isBinaryMode } from '../../schemas/event/binary-mode.js'
import type { EventStream } from '../../schemas/event/event-stream.js'
import { isRecord, stringifyJson } from '../../schemas/json/json-text.js'
import { formatInstantMs } from '../../schemas/time.js'
import { asWholeEvent } from '../core/decode/binary-mode.js'
import { type Decoded, decodeMessages } from '../core/decode/decode.js'
import { decompress } from '../core/decode/decompress.js'
import type { Identity } from './event-rows.js'

export interface Received {
  readonly stream: string
  readonly sequence: number
  /** False: retention has removed the message. */
  readonly held: boolean
  readonly stored_at?: string
  readonly nats_subject?: string
  readonly content_type?: string
  readonly content_encoding?: string
  readonly message_bytes?: number
  /** Which of the message's events it is, from 1. */
  readonly position?: number
  readonly events_in_message?: number
  /** The event as it was sent: JSON with every digit. */
  readonly content?: string
}

const streams: ReadonlySet<string> = new Set(['METERING', 'LIFECYCLE', 'CATALOG'])
const maxContentLength = 64 * 1024

export async function readReceived(
  jsm: JetStreamManager,
  input: { readonly input_stream: string; readonly input_sequence: number },
  identity: Identity,
): Promise<Received | undefined> {
  const { input_stream: stream, input_sequence: sequence } = input
  if (!streams.has(stream)) return undefined
  const message = await jsm.streams.getMessage(stream, { seq: sequence })
  if (message === null) return { stream, sequence, held: false }
  const decoded = decodedEvents(message, stream as EventStream)
  const at = decoded.findIndex(one => isNamed(one, identity))
  const found = decoded[at]
  const contentType = message.header?.get('content-type') ?? ''
  const contentEncoding = message.header?.get('content-encoding') ?? ''
  return {
    stream,
    sequence,
    held: true,
    stored_at: formatInstantMs(message.time.getTime()),
    nats_subject: message.subject,
    ...(contentType === '' ? {} : { content_type: contentType }),
    ...(contentEncoding === '' ? {} : { content_encoding: contentEncoding }),
    message_bytes: message.data.length,
    events_in_message: decoded.length,
    ...(found === undefined ? {} : { position: at + 1, content: contentOf(found) }),
  }
}

/** The events of a stored message, as the pipeline reads them. */
export function decodedEvents(message: StoredMsg, stream: EventStream): readonly Decoded[] {
  const { header, data: bytes, seq } = message
  const contentType = header?.get('content-type') ?? ''
  const contentEncoding = header?.get('content-encoding') ?? ''
  const named: MessageHeaders = Object.fromEntries(
    (header?.keys() ?? []).map(name => [name, header?.values(name) ?? []]),
  )
  const plain = decompress({
    seq,
    arrivedAtMs: message.time.getTime(),
    bytes,
    ...(contentType === '' ? {} : { contentType }),
    ...(contentEncoding === '' ? {} : { contentEncoding }),
  })
  const whole = isBinaryMode(named) ? asWholeEvent({ ...plain, headers: named }) : plain
  return decodeMessages([whole], stream)
}

function isNamed(one: Decoded, { source, id }: Identity): boolean {
  if (one.kind === 'event') return one.event.source === source && one.event.id === id
  return isRecord(one.raw) && one.raw['source'] === source && one.raw['id'] === id
}

function contentOf({ raw }: Decoded): string {
  const text = typeof raw === 'string' ? raw : stringifyJson(raw)
  return text.slice(0, maxContentLength)
}
