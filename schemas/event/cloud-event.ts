// Reads CloudEvents 1.0: messages of one or many events, and the envelope's rules. Contract section 2. Other files read the
// binary mode and interpret `data`.
// Invariants: a bad event is refused alone, with a stable code; nothing throws; a valid event can be hashed
// and stored exactly (Unicode text, bounded depth).

import { maxAttributeLength } from '../identifiers.js'
import { decodeUtf8, isRecord, isUnicodeText, parseJson, withoutByteOrderMark } from '../json/json-text.js'
import { type Parsed, type Rejection, rejected } from '../rejection.js'
import { instantFault, instantFaultText, nsOf, parseInstant } from '../time.js'
import { batchEvents, decodeUsageBatch } from '../usage-batch/usage-batch.js'
import { type EventData, eventData } from './event-data.js'
import { isGlobalType } from './event-stream.js'
import { eventTypes, messageFormOf } from './media-types.js'
import { isTimeStamped } from './stamped-time.js'
import type { ValidEvent } from './usage-event.js'

/** Limit of events per message: two compressed kilobytes must not become a million dead letters. */
export const maxEventsOfMessage = 50_000

/** One event of a message. `raw`: the readable part of a refused event. */
export type ParsedEvent =
  | { readonly kind: 'ok'; readonly value: unknown }
  | { readonly kind: 'rejected'; readonly rejection: Rejection; readonly raw?: unknown }

export type ParsedMessage =
  | { readonly kind: 'ok'; readonly events: readonly ParsedEvent[] }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/**
 * The events of one message: an object, an array, NDJSON, or a usage batch in Arrow. Without a content type
 * (a file, a NATS message) the bytes show the form. A broken NDJSON line or row is refused alone and keeps
 * its index in `events`. A message of more than `maxEvents` is refused before any event is parsed.
 */
export function parseMessage(
  body: Uint8Array,
  contentType?: string,
  maxEvents = Number.POSITIVE_INFINITY,
): ParsedMessage {
  const form = messageFormOf(contentType, body)
  if (form === 'usage_batch') {
    const decoded = decodeUsageBatch(body)
    if (decoded.kind !== 'ok') return decoded
    return decoded.batch.rows > maxEvents
      ? tooManyEvents(maxEvents)
      : { kind: 'ok', events: batchEvents(decoded.batch) }
  }
  if (form === undefined) {
    return rejected(
      'unsupported_content_type',
      `The content type ${JSON.stringify(contentType)} is not taken; ${eventTypes.join(', ')} are.`,
    )
  }
  const text = decodeUtf8(body)
  if (text === undefined) return rejected('malformed_json', 'The body is not UTF-8.')
  if (form === 'lines') return parseLines(text, maxEvents)
  if (contentType === undefined && text.trim() === '') return { kind: 'ok', events: [] }
  const whole = parseJson(text)
  if (whole.kind === 'ok') {
    const values: readonly unknown[] = Array.isArray(whole.value) ? whole.value : [whole.value]
    if (values.length > maxEvents) return tooManyEvents(maxEvents)
    return { kind: 'ok', events: values.map(value => ({ kind: 'ok', value })) }
  }
  if (form === 'detect' && looksLikeLines(text)) return parseLines(text, maxEvents)
  return rejected('malformed_json', `The body is not JSON: ${whole.detail}.`)
}

/** Whether a later line begins with an object, or the first line is a whole object. */
function looksLikeLines(text: string): boolean {
  const firstLine = text.trimStart().split('\n', 1)[0]!.trimEnd()
  return (firstLine.startsWith('{') && firstLine.endsWith('}')) || /\n\{[ \t]*"/.test(text)
}

function tooManyEvents(maxEvents: number): ParsedMessage {
  return rejected('too_many_events', `A message has at most ${maxEvents} events; this one has more.`)
}

function parseLines(text: string, maxEvents: number): ParsedMessage {
  const events: Parsed<unknown>[] = []
  let lineNumber = 0
  let looked = 0
  for (let start = 0; start < text.length; ) {
    // A message may have millions of empty lines; each costs one comparison.
    if (text.charCodeAt(start) === 10) {
      start += 1
      lineNumber += 1
      continue
    }
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    const line = withoutByteOrderMark(text.slice(start, end))
    start = end + 1
    lineNumber += 1
    looked += 1
    if (looked > maxEvents) return tooManyEvents(maxEvents)
    if (line.trim() === '') continue
    const parsed = parseJson(line)
    events.push(
      parsed.kind === 'ok'
        ? parsed
        : rejected('malformed_json', `Line ${lineNumber} is not JSON: ${parsed.detail}.`),
    )
  }
  return { kind: 'ok', events }
}

/** Applies the envelope's rules. `arrivalMs` replaces a missing `time`. */
export function validateEvent(value: unknown, arrivalMs: number): Parsed<ValidEvent> {
  if (!isRecord(value)) return rejected('not_an_object', 'An event is a JSON object.', '')
  const { specversion, id, source, type, subject, time } = value
  if (specversion !== '1.0') return specversionProblem(specversion)
  if (!isName(id)) return nameProblem('id', id)
  if (!isName(source)) return nameProblem('source', source)
  if (!isName(type)) return nameProblem('type', type)
  const data = eventData(value)
  const customer = subject ?? customerOfData(type, data)
  if (!isName(customer) && !(customer == null && isGlobalType(type))) return nameProblem('subject', customer)
  const timeNs = time == null ? nsOf(arrivalMs) : typeof time === 'string' ? parseInstant(time) : undefined
  if (timeNs === undefined) return timeProblem(time)
  if (data.kind === 'rejected') return data
  const problem = extensionProblem(value)
  if (problem !== undefined) return problem
  return {
    kind: 'ok',
    value: {
      id,
      source,
      type,
      subject: customer ?? '',
      timeText: (time as string | null | undefined) ?? undefined,
      timeNs,
      isTimeStamped: isTimeStamped(value),
      subscriptionId: (value['subscriptionid'] as string | null | undefined) ?? undefined,
      correlationId: (value['correlationid'] as string | null | undefined) ?? '',
      traceparent: (value['traceparent'] as string | null | undefined) ?? '',
      data: data.value,
    },
  }
}

/** The customer that invoice and payment events name in `data`; the contract requires no other member. */
function customerOfData(type: string, data: Parsed<EventData>): unknown {
  if (!type.startsWith('weir.invoice.') && !type.startsWith('weir.payment.')) return undefined
  return data.kind === 'ok' ? data.value['customer_id'] : undefined
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0) return false
  if (value.length > maxAttributeLength && codePoints(value) > maxAttributeLength) return false
  return isUnicodeText(value) && !value.includes('\u0000')
}

function codePoints(text: string): number {
  // A character has at most two UTF-16 units, so a text of more than twice the limit is too long without
  // counting.
  return text.length > maxAttributeLength * 2 ? text.length : Array.from(text).length
}

type Refusal = ReturnType<typeof rejected>

function specversionProblem(value: unknown): Refusal {
  return value == null
    ? rejected('missing_attribute', 'The attribute specversion is missing; it is "1.0".', '/specversion')
    : rejected('unsupported_specversion', 'The attribute specversion is not "1.0".', '/specversion')
}

function nameProblem(name: string, value: unknown): Refusal {
  if (value == null) return rejected('missing_attribute', `The attribute ${name} is missing.`, `/${name}`)
  return rejected(
    'invalid_attribute',
    `The attribute ${name} is not a text of 1 to ${maxAttributeLength} Unicode characters without U+0000.`,
    `/${name}`,
  )
}

function timeProblem(time: unknown): Refusal {
  const fault = typeof time === 'string' ? instantFault(time) : 'invalid_time'
  return rejected(fault, `The attribute time ${instantFaultText(fault)}.`, '/time')
}

function extensionProblem(event: Record<string, unknown>): Refusal | undefined {
  const subscription = event['subscriptionid']
  if (subscription != null && !isName(subscription)) return nameProblem('subscriptionid', subscription)
  return carriedProblem('correlationid', event) ?? carriedProblem('traceparent', event)
}

/** An extension that is only carried may be empty. */
function carriedProblem(name: string, event: Record<string, unknown>): Refusal | undefined {
  const value = event[name]
  return value == null || value === '' || isName(value) ? undefined : nameProblem(name, value)
}
