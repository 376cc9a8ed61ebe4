// What a client of another system sent, as usage of ours. Here are the parts that the systems share: an event that is read,
// what is wrong with one, and readers of single fields. Pure.
// Invariants: a number keeps its digits; nothing is guessed or cut: what cannot be read is a fault.

import { decodeUtf8, isRecord, parseJson, treeProblem } from '../../schemas/json/json-text.js'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import { instantFault, instantFaultText, nsOf, parseInstant } from '../../schemas/time.js'
import { malformedBody } from '../gateway/problem.js'

/** Whom the event is of, in the words of the system. */
export interface NamedCustomer {
  readonly id: string
  /** `ours`: our own id. `theirs`: by the settings. `subscription`: the customer of that subscription. */
  readonly as: 'ours' | 'theirs' | 'subscription'
}

export interface SentEvent {
  readonly kind: 'event'
  /** With the `source` of the settings its identity. */
  readonly id: string
  readonly type: string
  readonly customer: NamedCustomer
  /** RFC 3339; absent: the time of arrival. */
  readonly time?: string | undefined
  readonly subscriptionId?: string | undefined
  readonly data: Readonly<Record<string, unknown>>
}

export interface SentFault {
  /** As the system's documents name it: `payload[value]`, `timestamp`; empty: the whole event. */
  readonly field: string
  readonly code: 'missing' | 'invalid' | 'unknown' | 'in_future' | 'refused'
  readonly detail: string
}

export interface FaultyEvent {
  readonly kind: 'faulty'
  /** What the client calls the event; '' where that cannot be read. */
  readonly id: string
  readonly faults: readonly SentFault[]
}

export type ReadEvent = SentEvent | FaultyEvent

/** How far ahead of its arrival an event may be: contract 2. */
const aheadMs = 5 * 60_000

export function missing(field: string): SentFault {
  return { field, code: 'missing', detail: `${field} is missing` }
}

export function invalid(field: string, detail: string): SentFault {
  return { field, code: 'invalid', detail: `${field} ${detail}` }
}

/** A text of 1 to 256 characters, or what is wrong with it. */
export function nameFault(field: string, value: unknown): SentFault | undefined {
  if (value === undefined || value === null || value === '') return missing(field)
  if (typeof value !== 'string' || value.length > 256)
    return invalid(field, 'is not a text of 1 to 256 characters')
  return undefined
}

/** The name of the kind of usage. Those that begin with `weir.` are changes, which no client of another system sends. */
export function typeFault(field: string, value: unknown): SentFault | undefined {
  const isOurs = typeof value === 'string' && value.startsWith('weir.')
  return isOurs ? invalid(field, 'begins with weir., which is kept for changes') : nameFault(field, value)
}

export type ReadTime =
  | { readonly kind: 'ok'; readonly time: string | undefined }
  | { readonly kind: 'fault'; readonly fault: SentFault }

/** An RFC 3339 instant. */
export function readInstant(field: string, value: unknown, nowMs: number): ReadTime {
  if (value === undefined || value === null) return { kind: 'ok', time: undefined }
  const ns = typeof value === 'string' ? parseInstant(value) : undefined
  if (ns === undefined) {
    const fault = typeof value === 'string' ? instantFault(value) : 'invalid_time'
    return { kind: 'fault', fault: invalid(field, instantFaultText(fault)) }
  }
  if (ns > nsOf(nowMs + aheadMs)) return { kind: 'fault', fault: inFuture(field) }
  return { kind: 'ok', time: value as string }
}

const secondsText = /^(\d{1,10})(?:\.(\d{1,9}))?$/

/** Unix seconds, a number or a text, with up to nine decimals. */
export function readSeconds(field: string, value: unknown, nowMs: number): ReadTime {
  if (value === undefined || value === null) return { kind: 'ok', time: undefined }
  const text = value instanceof ExactNumber ? value.text : typeof value === 'number' ? String(value) : value
  const match = typeof text === 'string' ? secondsText.exec(text) : null
  if (match === null) return { kind: 'fault', fault: invalid(field, 'is not a Unix time in seconds') }
  const whole = new Date(Number(match[1]) * 1000).toISOString().slice(0, 19)
  return readInstant(field, `${whole}${match[2] === undefined ? '' : `.${match[2]}`}Z`, nowMs)
}

function inFuture(field: string): SentFault {
  return { field, code: 'in_future', detail: `${field} is more than 5 minutes in the future` }
}

/** An object of values that can be kept exactly; absent is empty. */
export function readProperties(
  field: string,
  value: unknown,
): { readonly data: Readonly<Record<string, unknown>> } | { readonly fault: SentFault } {
  if (value === undefined || value === null) return { data: {} }
  if (!isRecord(value)) return { fault: invalid(field, 'is not an object') }
  const problem = treeProblem(value)
  return problem === undefined
    ? { data: value }
    : { fault: invalid(`${field}${problem.pointer}`, problem.detail) }
}

/** The event, or what is wrong with it. */
export function eventOr(
  faults: readonly (SentFault | undefined)[],
  event: Omit<SentEvent, 'kind'>,
): ReadEvent {
  const found = faults.filter(fault => fault !== undefined)
  return found.length === 0
    ? { kind: 'event', ...event }
    : { kind: 'faulty', id: typeof event.id === 'string' ? event.id : '', faults: found }
}

/** A value in JSON of a body, its numbers with all their digits. Throws a `Problem` where it is none. */
export function jsonOf(body: Uint8Array): unknown {
  const text = decodeUtf8(body)
  if (text === undefined) throw malformedBody('it is not UTF-8')
  const json = parseJson(text)
  if (json.kind === 'malformed') throw malformedBody(json.detail)
  return json.value
}
