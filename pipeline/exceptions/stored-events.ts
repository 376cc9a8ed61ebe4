// Events as the input streams hold them: what was stored is decoded as the pipeline decodes it, compressed, in Arrow
// or in the binary mode. So an event is read back whole, also where its dead letter keeps only a part of it.

import { JetStreamApiError, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream'
import { isBinaryMode, type MessageHeaders } from '../../schemas/event/binary-mode.js'
import { isRecord } from '../../schemas/json/json-text.js'
import { asWholeEvent } from '../core/decode/binary-mode.js'
import { attributeOf, type Decoded, decodeMessages, type InputMessage } from '../core/decode/decode.js'
import { decompress } from '../core/decode/decompress.js'

export type StoredEvents =
  | { readonly kind: 'ok'; readonly events: readonly Decoded[] }
  /** The stream was purged up to here, or does not have the message. */
  | { readonly kind: 'gone' }

/** The events of one message, in its order. */
export async function storedEvents(
  jsm: JetStreamManager,
  stream: string,
  sequence: number,
): Promise<StoredEvents> {
  try {
    const message = await jsm.streams.getMessage(stream, { seq: sequence })
    return message === null ? { kind: 'gone' } : { kind: 'ok', events: decodeStored(message) }
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === noMessage) return { kind: 'gone' }
    throw error
  }
}

/** The server's error code for a sequence that holds no message. */
const noMessage = 10037

/** A message as `StoredMsg` or `JsMsg` has it. */
export function decodeStored({
  seq,
  header,
  data,
}: Pick<StoredMsg, 'seq' | 'header' | 'data'>): readonly Decoded[] {
  const headers: Record<string, readonly string[]> = {}
  for (const name of header?.keys() ?? []) headers[name] = header.values(name)
  const contentType = header?.last('content-type')
  const contentEncoding = header?.last('content-encoding')
  const message: InputMessage = {
    seq,
    arrivedAtMs: 0,
    bytes: data,
    ...(contentType ? { contentType } : {}),
    ...(contentEncoding ? { contentEncoding } : {}),
  }
  return decodeMessages([whole(decompress(message), headers)])
}

function whole(message: InputMessage, headers: MessageHeaders): InputMessage {
  return isBinaryMode(headers) ? asWholeEvent({ ...message, headers }) : message
}

interface Identity {
  readonly source: string
  readonly id: string
}

/** The events of that identity: as they were sent, and as an amendment says that they are, if it says all of it. */
export function eventsOf(events: readonly Decoded[], identity: Identity): readonly unknown[] {
  return events.flatMap(({ raw }) => {
    if (attributeOf(raw, 'source') === identity.source && attributeOf(raw, 'id') === identity.id) return [raw]
    return amendedEvent(raw, identity)
  })
}

/** Redrives and their undoing send such amendments: they need nothing of what came before. */
function amendedEvent(raw: unknown, { source, id }: Identity): readonly unknown[] {
  if (attributeOf(raw, 'type') !== 'weir.usage.amended' || !isRecord(raw)) return []
  const { data: amended, subject: sentFor, correlationid, traceparent } = raw
  if (!isRecord(amended) || amended['event_source'] !== source || amended['event_id'] !== id) return []
  const { type, time, subject = sentFor, subscriptionid, data } = amended
  if (type === undefined || time === undefined || data === undefined) return []
  const more = { subscriptionid, correlationid, traceparent }
  const given = Object.entries(more).filter(([, value]) => value != null)
  return [{ specversion: '1.0', source, id, type, subject, time, ...Object.fromEntries(given), data }]
}
