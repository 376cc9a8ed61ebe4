// The whole event of each exception, as it was sent. What a table keeps of an event may be cut (64 Ki characters of a
// dead letter) or put together again from readings, so the bytes come from the input stream, by the message that the
// exception names; only where the stream no longer has them is the kept payload taken, if it is whole.

import type { JetStreamManager } from '@nats-io/jetstream'
import { parseJson, stringifyJson } from '../../schemas/json/json-text.js'
import { keptPayloadLength } from '../core/step/step.js'
import type { Exception } from './read-exceptions.js'
import { eventsOf, type StoredEvents, storedEvents } from './stored-events.js'

export type Original =
  | { readonly kind: 'event'; readonly value: unknown }
  /** Of a message that is no event: its beginning, as it was kept. */
  | { readonly kind: 'unreadable'; readonly text: string }
  /** It is neither in the stream nor kept whole; or it is no event. */
  | { readonly kind: 'gone' }

/** By place in the list. Messages hold many events, so each is read once. The exceptions were read with their payload. */
export async function originalsOf(
  jsm: JetStreamManager,
  exceptions: readonly Exception[],
): Promise<readonly Original[]> {
  const messages = new Map<string, Promise<StoredEvents>>()
  const read = (stream: string, sequence: number): Promise<StoredEvents> => {
    const key = `${stream}:${sequence}`
    const known = messages.get(key)
    if (known !== undefined) return known
    const reading = storedEvents(jsm, stream, sequence)
    messages.set(key, reading)
    return reading
  }
  const originals: Original[] = []
  for (const exception of exceptions) originals.push(await originalOf(exception, read))
  return originals
}

async function originalOf(
  exception: Exception,
  read: (stream: string, sequence: number) => Promise<StoredEvents>,
): Promise<Original> {
  const { inputStream, inputSequence, eventSource, eventId, payload = '' } = exception
  if (exception.recordId !== '') return { kind: 'gone' }
  if (inputStream !== '' && inputSequence > 0 && eventId !== '') {
    const stored = await read(inputStream, inputSequence)
    if (stored.kind === 'ok') {
      const found = eventsOf(stored.events, { source: eventSource, id: eventId })
      // One message may hold two contents of one identity: the kept payload tells which is meant.
      const meant = found.find(one => stringifyJson(one).startsWith(payload)) ?? found[0]
      if (meant !== undefined) return { kind: 'event', value: meant }
    }
  }
  if (payload === '') return { kind: 'gone' }
  const json = payload.length < keptPayloadLength ? parseJson(payload) : undefined
  if (json?.kind === 'ok') return { kind: 'event', value: json.value }
  return eventId === '' ? { kind: 'unreadable', text: payload } : { kind: 'gone' }
}
